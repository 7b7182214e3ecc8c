"""How high the keys of tables went day by day: a row with a higher key that was first heard of later was made since."""

from datetime import datetime
from importlib.resources import files
from typing import Final

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "key_mark.sql")


class KeyMark(msgspec.Struct, frozen=True):
    """No row had a higher key at a moment."""

    highest: int
    at: datetime
    """With time zone."""


def note(session: Session, table: str, highest: int, at: datetime | None = None) -> None:
    """Note the highest key that a table's rows had, unless that is noted for the day.

    Args:
        session: a connection.
        table: the rows' table.
        highest: the key.
        at: by when they were looked at, with time zone; None: just now.
    """
    session.run(_STATEMENTS["note"], {"table": table, "highest": highest, "at": at})


def first_since(session: Session, table: str, since: datetime) -> KeyMark | None:
    """Return a table's first mark from a time on, which has a time zone; None: there is none."""
    rows = session.read(_STATEMENTS["first_since"], {"table": table, "since": since})
    return KeyMark(*rows[0]) if rows else None
