"""Tables whose metrics may lack changes, until they are compared with PostgreSQL.

A snapshot reads rows that were perhaps never counted; a truncate removes rows without naming them.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "reconcile_needed.sql")


@dataclass(frozen=True, slots=True)
class Need:
    """Why a table should be compared."""

    source_table: str
    reason: str
    """One word, fit for a metric's label: ``snapshot``, ``truncate``."""
    since: datetime
    """When it was first noted, with time zone."""


def note(session: Session, source_table: str, reason: str) -> None:
    """Note a need; noting it again keeps the first time."""
    session.run(_STATEMENTS["note"], source_table, reason)


def needs(session: Session) -> tuple[Need, ...]:
    """Return every need, the oldest first."""
    return tuple(Need(*row) for row in session.read(_STATEMENTS["needs"]))
