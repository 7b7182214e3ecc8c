"""The engine's library, without the Python package around it.

``import chdb`` brings pyarrow and numpy along and runs an engine in memory once, to ask it for its version: 0.5 s of a
processor for every door, and a door uses none of it. ``chdb-core`` is pinned to one version, so what is used of its
library stays what it is: handles with ``query``, ``send_insert``, ``insert_append``, ``insert_done`` and ``close``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import PathFinder
from typing import Any

from stack.unavailable import EXTRA

_NAME = "chdb._chdb"


def _load() -> Any:
    package = importlib.util.find_spec("chdb")  # finds it without importing it
    folders = None if package is None else package.submodule_search_locations
    spec = None if folders is None else PathFinder.find_spec(_NAME, list(folders))
    if spec is None or spec.loader is None:
        raise ImportError(f"chdb is not installed; {EXTRA}", name=_NAME)
    usual = sys.getdlopenflags()
    # As the package does it: the library keeps its own allocator, whatever else is loaded.
    sys.setdlopenflags(usual | os.RTLD_DEEPBIND)
    try:
        library = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(library)
    finally:
        sys.setdlopenflags(usual)
    return library


_LIBRARY = _load()


def connect(path: str, **options: str) -> Any:
    """Open a handle to the engine on a path: the first of a process starts the engine, the last to close ends it.

    Args:
        path: the engine's folder.
        options: ``database``, and settings that the handle begins with. They cost nothing here and 0.3 ms as a
            statement, but are not looked at: an unknown setting is passed over, and values go as they are.

    """
    given = "&".join(f"{name}={value}" for name, value in options.items())
    return _LIBRARY.connect(f"{path}?{given}" if given else path)
