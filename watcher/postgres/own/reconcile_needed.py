"""Tables whose metrics may lack changes, until they are compared with PostgreSQL.

A snapshot reads rows that were perhaps never counted; a truncate removes rows without naming them; a refused change
moved counts that its letter alone knows of; what a connector passed over is told by nobody.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final

from watcher.model.extent import Extent
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "reconcile_needed.sql")
NOWHERE: Final = Extent()
"""Stands for the place of a need that is about a table as a whole."""


@dataclass(frozen=True, slots=True)
class Need:
    """Why a table should be compared."""

    source_table: str
    reason: str
    """One word, fit for a metric's label: ``snapshot``, ``truncate``."""
    since: datetime
    """When it was first noted, with time zone."""
    found: Extent
    """Where it was found, and how often."""


def note(session: Session, source_table: str, reason: str, found: Extent = NOWHERE) -> None:
    """Note a need; noting it again keeps the first time and place, and moves the last.

    Nothing is noted of what is known to lie before the last comparison by the command, if that found the table right.
    """
    asked = {
        "table": source_table,
        "reason": reason,
        "first": found.first,
        "last": found.last,
        "times": found.times,
        "reaches": found.reaches,
    }
    session.run(_STATEMENTS["note"], asked)


def needs(session: Session) -> tuple[Need, ...]:
    """Return every need, the oldest first."""
    rows = session.read(_STATEMENTS["needs"])
    return tuple(Need(table, reason, since, Extent(*found)) for table, reason, since, *found in rows)
