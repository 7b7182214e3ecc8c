"""The parts of production on one machine: nothing to install, nothing left behind."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stack.endpoints import Endpoints
    from stack.topology import EVERYTHING, Options, Stack
    from stack.unavailable import NotReady, Unavailable

__all__ = ["EVERYTHING", "Endpoints", "NotReady", "Options", "Stack", "Unavailable"]

_HOMES = {
    "EVERYTHING": "stack.topology",
    "Endpoints": "stack.endpoints",
    "NotReady": "stack.unavailable",
    "Options": "stack.topology",
    "Stack": "stack.topology",
    "Unavailable": "stack.unavailable",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: a part that runs from this package must not import the other parts to begin."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
