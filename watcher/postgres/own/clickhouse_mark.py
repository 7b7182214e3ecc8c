"""PostgreSQL's side of the marks by which each store tells whether the other was set back."""

from importlib.resources import files
from typing import Final

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "clickhouse_mark.sql")


class Marked(msgspec.Struct, frozen=True):
    """What PostgreSQL knows of marks."""

    history: int
    """In which the last was set."""
    number: int
    """Of the last, which may not be in ClickHouse."""
    confirmed: int
    """The last that ClickHouse has answered for; 0: none, in this history."""
    end_of_log: int
    flushed: int
    """Up to there the log is on the disk."""


def marked(session: Session) -> Marked:
    """Return what is known of marks."""
    (row,) = session.read(_STATEMENTS["marked"])
    return Marked(*map(int, row))


def count(session: Session, history: int, every_seconds: float) -> int | None:
    """Return the number of the next mark; None if one was set less than so many seconds ago."""
    rows = session.run(_STATEMENTS["count_mark"], {"history": history, "every": every_seconds})
    return int(rows[0][0]) if rows else None


def confirm(session: Session, history: int, number: int) -> None:
    """Note that ClickHouse has a mark."""
    session.run(_STATEMENTS["confirm_mark"], {"history": history, "number": number})


def forget(session: Session) -> None:
    """Note that ClickHouse has no mark any more."""
    session.run(_STATEMENTS["forget_mark"])
