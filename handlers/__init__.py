"""Every table that the watcher answers for. A new one is a file here and its name in this list."""

from handlers import crucible, crucible_entry
from watcher.model.registry import Registry

REGISTRY = Registry.of(crucible.TABLE, crucible_entry.TABLE)
