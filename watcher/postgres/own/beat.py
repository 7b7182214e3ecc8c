"""The beat: one row that watchers take turns to write, and where PostgreSQL's log ends."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from watcher.model.beat import Beat
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "beat.sql")

EVERY_SECONDS: Final = 8.0
"""Seconds between two beats at least, whoever writes them: a little less than between two looks of a watcher at
PostgreSQL."""


@dataclass(frozen=True, slots=True)
class PostgresStanding:
    """What PostgreSQL says of itself."""

    end_of_log: int
    beat: Beat | None
    """The last that was written, without its place in the log; None before the first."""


def standing(session: Session) -> PostgresStanding:
    """Return where the log ends, and the last beat that was written."""
    ((end, number, written),) = session.read(_STATEMENTS["standing"])
    return PostgresStanding(end, None if number is None else Beat(number, written, 0))


def write(session: Session, every_seconds: float = EVERY_SECONDS) -> Beat | None:
    """Write the next beat and return it, without its place in the log; None if somebody has just written one.

    Args:
        session: the role must be the watcher's.
        every_seconds: since the beat before; below 0: whenever that was.
    """
    rows = session.run(_STATEMENTS["write"], every_seconds * 1000)
    for number, written in rows:
        return Beat(number, written, lsn=0)
    return None


def end_of_log(session: Session) -> int:
    """Return where the log ends that is written out."""
    ((end,),) = session.read(_STATEMENTS["end_of_log"])
    return int(end)
