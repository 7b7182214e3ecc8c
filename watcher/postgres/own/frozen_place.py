"""Which crucibles take no votes any more: what Redis is told when it has forgotten."""

from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "frozen_place.sql")


def frozen_place(session: Session, crucible_id: int) -> tuple[int, int] | None:
    """Return epoch and number of the last vote that counts in a crucible that was frozen; None while it was not.

    Raises:
        TemporaryError: PostgreSQL is away.
    """
    rows = session.read(_STATEMENTS["frozen_place"], crucible_id)
    return (rows[0][0], rows[0][1]) if rows else None
