"""One migration at a time, wherever it is started: a lock in the site's PostgreSQL, given back when its holder dies."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from watcher.operations.migrate_session import Progress
from watcher.stores.store import open_store

_POLL: Final = 0.2
"""Seconds between two tries for the lock."""


@contextmanager
def alone(dsn: str, schema: str, timeout: float, progress: Progress) -> Iterator[None]:
    """Hold the lock for the length of the block; wait for it as long as another process has it.

    Args:
        dsn: libpq's connection string.
        schema: the watcher's own schema; two watchers with schemas of their own do not wait for each other.
        timeout: seconds to wait for the connection.
        progress: is told when there is somebody to wait for.

    Raises:
        StoreRefusedError: the password or database is wrong.
        TemporaryError: PostgreSQL is away.
    """
    with open_store(dsn, schema, timeout) as store:
        name = f"crucible {schema} migrate"
        told = False
        # Asked for again and again: waiting inside the server would run into the statement's time limit.
        while not store.run("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)[0][0]:
            if not told:
                progress("waiting for another `crucible migrate up` to end")
                told = True
            time.sleep(_POLL)
        yield
