"""The last vote that counts in a frozen crucible: what Redis is told again once it has lost that."""

from importlib.resources import files
from typing import Final, NamedTuple

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "frozen_place.sql")


class FrozenPlace(NamedTuple):
    """The last vote that counts; None of both: nobody has written it down yet."""

    epoch: int | None
    seq: int | None


def frozen_place(session: Session, crucible_id: int) -> FrozenPlace | None:
    """Return the last vote that counts in a crucible that was frozen; None while it was not.

    Raises:
        TemporaryError: PostgreSQL is away.
    """
    rows = session.read(_STATEMENTS["frozen_place"], crucible_id)
    return FrozenPlace(*rows[0]) if rows else None
