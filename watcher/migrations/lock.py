"""One migration at a time, wherever it is started: a lock in the site's PostgreSQL, given back when its holder dies."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from watcher.postgres.held_lock import Held, LockLostError, held_lock
from watcher.postgres.session import open_session

__all__ = ["Held", "LineListener", "LockLostError", "alone"]

LineListener = Callable[[str], None]
"""Is told, in a line a time, what is going on."""
_POLL_SECONDS: Final = 0.2
"""Seconds between two tries for the lock."""
ADVICE: Final = "Nothing more was changed: run `crucible migrate up` again"


@contextmanager
def alone(dsn: str, schema: str, database: str, timeout: float, progress: LineListener) -> Iterator[Held]:
    """Hold the lock for the length of the block; wait for it as long as another process has it.

    Args:
        dsn: libpq's connection string.
        schema: the watcher's own; for the connection only.
        database: of ClickHouse; runs that migrate different ones do not wait for each other.
        timeout: seconds to wait for the connection.
        progress: is told when there is somebody to wait for.

    Raises:
        PostgresRefusedError: the password or database is wrong.
        TemporaryError: PostgreSQL is away.
    """
    with open_session(dsn, schema, timeout) as session:
        told = False
        while True:
            with held_lock(session, f"crucible migrate {database}", ADVICE) as held:
                if held is not None:
                    yield held
                    return
            if not told:
                progress("waiting for another `crucible migrate up` to end")
                told = True
            time.sleep(_POLL_SECONDS)
