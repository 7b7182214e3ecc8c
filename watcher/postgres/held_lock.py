"""A lock in PostgreSQL that is held for minutes and given back at once when its holder dies.

It is a transaction's, which stays open. A session's would be given to somebody else by a pooler that hands connections
around between transactions, together with the connection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

from watcher.model.errors import TemporaryError
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

Held = Callable[[], None]
"""Asks whether the lock is still ours; raises :class:`LockLostError` if it is not."""
_STATEMENTS: Final = named_statements(files("watcher.postgres"), "held_lock.sql")


class LockLostError(TemporaryError):
    """Raised when PostgreSQL has ended the transaction that held a lock: another run may have begun."""


@contextmanager
def held_lock(session: Session, name: str, advice: str) -> Iterator[Held | None]:
    """Hold a lock for the length of a block, or yield None at once where somebody else has it.

    Args:
        session: a connection that nobody uses for anything else meanwhile.
        name: of the lock.
        advice: what to do once it is lost.

    Raises:
        TemporaryError: PostgreSQL is away.
    """

    def held() -> None:
        try:
            session.ping()
        except TemporaryError as error:
            raise LockLostError(f"the lock that keeps other runs away is gone: {error}. {advice}") from error

    with session.together():
        if not session.run(_STATEMENTS["try_lock"], name)[0][0]:
            yield None
            return
        session.run(_STATEMENTS["stay"])
        held()  # moreover a question without parameters lets go of the snapshot, which would hold up vacuum
        yield held
