"""One migration at a time, wherever it is started: a lock in the site's PostgreSQL, given back when its holder dies."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

from watcher.model.errors import TemporaryError
from watcher.postgres.session import open_session
from watcher.sql_files import named_statements

Progress = Callable[[str], None]
"""Is told, in a line a time, what is going on."""
Held = Callable[[], None]
"""Asks whether the lock is still ours; raises :class:`LockLostError` if it is not."""
_POLL_SECONDS: Final = 0.2
"""Seconds between two tries for the lock."""
_STATEMENTS: Final = named_statements(files("watcher.migrations"), "lock.sql")


class LockLostError(TemporaryError):
    """PostgreSQL has ended the transaction that held the lock: another run may have begun."""


@contextmanager
def alone(dsn: str, schema: str, database: str, timeout: float, progress: Progress) -> Iterator[Held]:
    """Hold the lock for the length of the block; wait for it as long as another process has it.

    It is a transaction's, which stays open. A session's would be given to somebody else by a pooler that hands
    connections around between transactions, together with the connection.

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

        def held() -> None:
            try:
                session.run("SELECT 1")
            except TemporaryError as error:
                raise LockLostError(
                    f"the lock that keeps other runs away is gone: {error}. Nothing more was changed: run "
                    "`crucible migrate up` again"
                ) from error

        told, name = False, f"crucible migrate {database}"
        while True:
            with session.together():
                if session.run(_STATEMENTS["try_lock"], name)[0][0]:
                    session.run(_STATEMENTS["stay"])
                    held()  # moreover a question without parameters lets go of the snapshot, which would hold up vacuum
                    yield held
                    return
            if not told:
                progress("waiting for another `crucible migrate up` to end")
                told = True
            time.sleep(_POLL_SECONDS)
