"""Tables whose metrics may lack changes, until they are compared with PostgreSQL.

A snapshot reads rows that were perhaps never counted; a truncate removes rows without naming them.
"""

from dataclasses import dataclass
from datetime import datetime

from watcher.postgres.session import Session


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
    session.run(
        "INSERT INTO {schema}.reconcile_needed (source_table, reason) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        source_table,
        reason,
    )


def needs(session: Session) -> tuple[Need, ...]:
    """Every need, the oldest first."""
    rows = session.run(
        "SELECT source_table, reason, since FROM {schema}.reconcile_needed ORDER BY since, source_table, reason"
    )
    return tuple(Need(*row) for row in rows)
