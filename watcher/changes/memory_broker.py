"""Change streams without a broker: topics in memory, and a member of the consumer group that reads them.

For tests, demonstrations and trying out handlers. It keeps what the loop relies on in Kafka: records stay in order
within their partition, a group's offsets carry metadata, and whoever does not hold a partition cannot commit for it. It
has no transactions, and nobody balances the group: partitions that nobody holds go to whoever polls next, and are taken
away when the caller says so.
"""

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from watcher.model.stream import Committed, Headers, Partition

KAFKA_AWAY = "no broker answers"


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """A record; see :class:`watcher.model.stream.Record`."""

    where: Partition
    at: int
    content: bytes | None
    name: bytes | None = None
    time_ms: int = 0
    extras: tuple[tuple[str, str | bytes | None], ...] = ()

    def topic(self) -> str:
        """Return the name of its topic."""
        return self.where[0]

    def partition(self) -> int:
        """Return the number of its partition."""
        return self.where[1]

    def offset(self) -> int:
        """Return its place in the partition."""
        return self.at

    def key(self) -> bytes | None:
        """Return the bytes of its key."""
        return self.name

    def value(self) -> bytes | None:
        """Return its value; None for a tombstone."""
        return self.content

    def headers(self) -> Headers:
        """Return its headers, in their order."""
        return list(self.extras)

    def timestamp(self) -> tuple[int, int]:
        """Return the kind of its time (1: when it was made) and the time in milliseconds since 1970."""
        return 1, self.time_ms


@dataclass(slots=True)
class _Topic:
    id: str
    partitions: dict[int, list[MemoryRecord]] = field(default_factory=dict)


class MemoryBroker:
    """Topics in memory, and one consumer group's offsets; may be used by any thread.

    Args:
        wait: waits for records, at most so many seconds; a test's clock may pass them at once instead.

    >>> broker = MemoryBroker()
    >>> broker.produce("postgres.Crucible", b"{}"), broker.produce("postgres.Crucible", None)
    (0, 1)
    """

    def __init__(self, wait: Callable[[float], object] | None = None) -> None:
        self.away = False
        """Whether it answers nobody."""
        self.refuses_commits = ""
        """Why it takes no commits; empty when it does."""
        self.commits: list[dict[Partition, tuple[int, str]]] = []
        """Every commit that it took, in their order."""
        self.offsets: dict[Partition, Committed] = {}
        """What the group has committed."""
        self.holders: dict[Partition, object] = {}
        """Who reads which partition."""
        self._topics: dict[str, _Topic] = {}
        self._made = 0
        self._came = threading.Condition()
        self._wait = wait or self._await

    def create_topic(self, topic: str, partitions: int = 1) -> str:
        """Make a topic, in the place of one of this name if there is one; return its id."""
        with self._came:
            self._made += 1
            self._topics[topic] = _Topic(f"id-{self._made}", {number: [] for number in range(partitions)})
            return self._topics[topic].id

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int = 0,
        time_ms: int = 0,
        headers: Sequence[tuple[str, str | bytes | None]] = (),
    ) -> int:
        """Append a record and return its offset; a topic that is not there is made, with one partition."""
        if topic not in self._topics:
            self.create_topic(topic)
        with self._came:
            records = self._topics[topic].partitions[partition]
            records.append(MemoryRecord((topic, partition), len(records), value, key, time_ms, tuple(headers)))
            self._came.notify_all()
            return len(records) - 1

    def partitions(self, wanted: Iterable[str]) -> list[Partition]:
        """Return the partitions of the topics that a subscription follows."""
        patterns = [re.compile(name) if name.startswith("^") else re.compile(re.escape(name) + "$") for name in wanted]
        return [
            (name, number)
            for name, topic in self._topics.items()
            if any(pattern.match(name) for pattern in patterns)
            for number in topic.partitions
        ]

    def records(self, partition: Partition, first: int, limit: int) -> Sequence[MemoryRecord]:
        """Return a partition's records from an offset on."""
        return self._topics[partition[0]].partitions[partition[1]][first : first + limit]

    def end(self, partition: Partition) -> int:
        """Return the next offset that the partition will give."""
        return len(self._topics[partition[0]].partitions[partition[1]])

    def topic_id(self, topic: str) -> str:
        """Return the topic's id."""
        return self._topics[topic].id

    def accept(self, offsets: dict[Partition, tuple[int, str]]) -> None:
        """Take a commit of the group: offsets with their metadata."""
        self.offsets |= {where: Committed(offset, metadata) for where, (offset, metadata) in offsets.items()}
        self.commits.append(offsets)

    def wait(self, seconds: float) -> None:
        """Wait until a record comes, for some seconds at most."""
        self._wait(seconds)

    def _await(self, seconds: float) -> None:
        with self._came:
            self._came.wait(seconds)
