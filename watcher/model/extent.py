"""Where something happened that happens many times: the first place, the last one, and how often."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Self

import msgspec

from watcher.model.change import Position


class Extent(msgspec.Struct, frozen=True):
    """The places of what happened, for people: log positions, offsets, times."""

    first: str = ""
    last: str = ""
    times: int = 1
    reaches: int = 0
    """Up to when it is about what happened, by PostgreSQL's clock in milliseconds since 1970; 0: not known."""

    @classmethod
    def of(cls, places: Iterable[str]) -> Self:
        """Return the extent of places in their order, of which there is at least one."""
        ordered = list(places)
        return cls(ordered[0], ordered[-1], len(ordered))

    def then(self, later: "Extent") -> "Extent":
        """Return one extent that covers this one and a later one.

        >>> Extent("a", "b", 2).then(Extent("c", "c"))
        Extent(first='a', last='c', times=3, reaches=0)
        """
        reaches = max(self.reaches, later.reaches) if self.reaches and later.reaches else 0
        return Extent(self.first, later.last, self.times + later.times, reaches)


def lsn_text(lsn: int) -> str:
    """Return a log position as PostgreSQL writes it.

    >>> lsn_text(5 << 32 | 0x16B3748)
    '5/16B3748'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def offset_text(position: Position, milliseconds: int) -> str:
    """Return where a record lies in Kafka, and its time.

    >>> from watcher.model.change import Position
    >>> offset_text(Position("postgres.Crucible", 1, 4711), 1_760_000_000_123)
    'postgres.Crucible[1]@4711 2025-10-09T08:53:20Z'
    """
    return f"{position} {time_text(milliseconds)}"


def time_text(milliseconds: int) -> str:
    """Return a time in UTC, to the second.

    >>> time_text(1_760_000_000_123)
    '2025-10-09T08:53:20Z'
    """
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
