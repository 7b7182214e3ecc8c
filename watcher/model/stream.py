"""The types of a change stream for whoever reads it: records, partitions, and the places of a group in them.

A record is whatever answers these questions: Kafka's client brings an object of its own that does, and to copy each
into one of ours would cost as much as decoding it.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

Partition = tuple[str, int]
"""Topic name and partition number."""

Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]
"""As Kafka's client types them; what it delivers is a list."""


class Record(Protocol):
    """A record of a topic. ``confluent_kafka.Message`` is one."""

    def topic(self) -> str | None:
        """Return the name of its topic."""
        ...

    def partition(self) -> int | None:
        """Return the number of its partition."""
        ...

    def offset(self) -> int | None:
        """Return its place in the partition; offsets rise, and may have gaps."""
        ...

    def key(self) -> bytes | None:
        """Return the bytes of its key."""
        ...

    def value(self) -> bytes | None:
        """Return its value; None for a tombstone."""
        ...

    def headers(self) -> Headers | None:
        """Return its headers, in their order."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Return the kind of its time, and the time in milliseconds since 1970; below 0 where there is none."""
        ...


class Committed(msgspec.Struct, frozen=True):
    """What the group has committed for a partition."""

    offset: int | None
    """Next to read; None when there is none."""
    metadata: str | None


class AssignmentListener(msgspec.Struct, frozen=True):
    """Who is told of changes to the assignment. Called from inside ``poll`` and ``close``, in their thread."""

    assigned: Callable[[list[Partition]], Mapping[Partition, int]]
    """Gives the offset to start each partition from."""
    revoked: Callable[[list[Partition]], None]
    """The partitions go to somebody else after this; committing is still possible."""
    lost: Callable[[list[Partition]], None]
    """The partitions are somebody else's already; committing is not allowed."""
