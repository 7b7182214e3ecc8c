"""Every table that the watcher answers for. A new one is a file here, its line in this list, and ``make docs``."""

from importlib import import_module
from typing import Final

from watcher.model.registry import Registry

MODULES: Final = (
    "crucible",
    "crucible_entry",
    "entry_verdict",
    "crucible_comment",
    "beat",
)
"""The modules of this folder whose ``TABLE`` is watched, in the order in which generated lists name them."""

REGISTRY: Final = Registry.of(*(import_module(f"handlers.{module}").TABLE for module in MODULES)).with_counts_checked()
