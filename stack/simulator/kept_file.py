"""What a double remembers, in a file that survives ``kill -9``."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class KeptFile:
    """A file of SQLite's; ``with`` makes one transaction of what stands in it, by one thread at a time.

    Args:
        path: of the file, which is made if it is not there.
        schema: statements that make its tables unless they are there.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(schema)

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        self._file.execute("BEGIN IMMEDIATE")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._file.execute("ROLLBACK" if kind else "COMMIT")
        finally:
            self._lock.release()
