"""What stands between us and the server: nothing, or a pooler, which has to keep transactions together."""

from importlib.resources import files
from typing import Final

from watcher.postgres.faults import ONE_TRANSACTION, SplitTransactionsError
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres"), "session.sql")


def is_pooled(session: Session) -> bool:
    """Return whether a pooler hands the server's connections on.

    Raises:
        SplitTransactionsError: it takes transactions apart. PgBouncer (``pool_mode = statement``) refuses the block and
            ends the connection.
        TemporaryError: PostgreSQL is away.
    """
    with session.together():
        first, second = (session.read(_STATEMENTS["backend"])[0][0] for _ in range(2))
    if first != second:
        raise SplitTransactionsError(
            f"postgres: two processes of the server have answered in one transaction; {ONE_TRANSACTION}"
        )
    return bool(first != session.backend)
