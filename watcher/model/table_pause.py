"""The pause of a table: a person has its changes wait in their topic, while those of other tables are read."""

from datetime import datetime

import msgspec


class TablePause(msgspec.Struct, frozen=True):
    """Since when a table is paused, and who has done it."""

    since: datetime
    """With time zone."""
    by: str
    reason: str = ""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"paused since {self.since.isoformat(timespec='seconds')} by {self.by}{why}"


def table_of(topic: str) -> str:
    """Return the table whose changes a topic has, as far as its name tells: what is after the last dot.

    >>> table_of("postgres.CrucibleEntry"), table_of("site.public.Crucible")
    ('CrucibleEntry', 'Crucible')
    """
    return topic.rpartition(".")[2]
