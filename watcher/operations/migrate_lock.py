"""One migration at a time, wherever it is started: a lock in the site's PostgreSQL, given back when its holder dies."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from watcher.model.errors import TemporaryError
from watcher.operations.migrate_deployment import MigrationError
from watcher.operations.migrate_session import Progress
from watcher.stores.store import open_store

Held = Callable[[], None]
"""Asks whether the lock is still ours; raises :class:`LockLostError` if it is not."""
_POLL: Final = 0.2
"""Seconds between two tries for the lock."""


class LockLostError(MigrationError):
    """PostgreSQL has let the connection go that held the lock: another run may have begun."""


@contextmanager
def alone(dsn: str, schema: str, database: str, timeout: float, progress: Progress) -> Iterator[Held]:
    """Hold the lock for the length of the block; wait for it as long as another process has it.

    Args:
        dsn: libpq's connection string.
        schema: the watcher's own schema.
        database: of ClickHouse; runs that migrate different ones do not wait for each other.
        timeout: seconds to wait for the connection.
        progress: is told when there is somebody to wait for.

    Raises:
        StoreRefusedError: the password or database is wrong.
        TemporaryError: PostgreSQL is away.
    """
    with open_store(dsn, schema, timeout) as store:
        name = f"crucible migrate {database}"
        told = False
        # Asked for again and again: waiting inside the server would run into the statement's time limit.
        while not store.run("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)[0][0]:
            if not told:
                progress("waiting for another `crucible migrate up` to end")
                told = True
            time.sleep(_POLL)

        def held() -> None:
            try:
                # Behind a pooler that hands connections around, the lock may be another's by now, and this shows it.
                ours = store.run(
                    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() "
                    "AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0)",
                    name,
                )
            except TemporaryError as error:
                raise LockLostError(_LOST.format(error)) from error
            if not ours:
                raise LockLostError(_LOST.format("postgres handed the connection to another session"))

        yield held


_LOST: Final = (
    "the lock that keeps other runs away is gone: {}. Nothing more was changed; run `crucible migrate up` again, with "
    "a postgres.dsn that leads to PostgreSQL itself and not to a pooler"
)
