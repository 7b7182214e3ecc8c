"""Change streams without a broker: topics in memory, and a member of the consumer group that reads them.

For tests, demonstrations and trying out handlers. It keeps what the loop relies on in Kafka: records stay in order
within their partition, a group's offsets carry metadata, and whoever does not hold a partition cannot commit for it. It
has no transactions, and nobody balances the group: partitions that nobody holds go to whoever polls next, and are taken
away when the caller says so.
"""

import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from watcher.model.errors import TemporaryError
from watcher.model.stream import AssignmentListener, Committed, Headers, Partition
from watcher.model.table_pause import table_of

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
    """Topics in memory, and one consumer group's offsets. For any thread.

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
        self.holders: dict[Partition, MemorySource] = {}
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
        """Append a record, to a new topic of one partition if there is none of this name; return its offset."""
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
        """Take a commit of the group's."""
        self.offsets |= {where: Committed(offset, metadata) for where, (offset, metadata) in offsets.items()}
        self.commits.append(offsets)

    def wait(self, seconds: float) -> None:
        """Wait until a record comes, at most so many seconds."""
        self._wait(seconds)

    def _await(self, seconds: float) -> None:
        with self._came:
            self._came.wait(seconds)


class MemorySource:
    """A member of the group; see :class:`watcher.changes.source.Source`.

    Args:
        broker: has the topics.
        listener: is told of changes to the assignment.
    """

    def __init__(self, broker: MemoryBroker, listener: AssignmentListener) -> None:
        self._broker, self._listener = broker, listener
        self._wanted: list[str] = []
        self._next: dict[Partition, int] = {}
        self._taken_away: list[tuple[list[Partition], bool]] = []
        self._looked: dict[str, str] = {}
        self._paused = False
        self._held: frozenset[str] = frozenset()

    def take_away(self, partitions: Iterable[Partition], *, lost: bool = False) -> None:
        """Have the next poll tell the listener that these go to somebody else.

        Args:
            partitions: to take away.
            lost: they are somebody else's already, so that this member cannot commit for them any more.
        """
        partitions = list(partitions)
        if lost:
            self._let_go(partitions)
        self._taken_away.append((partitions, lost))

    def subscribe(self, topics: Sequence[str]) -> None:
        """Join the group for these topics; a name beginning with ``^`` is a regular expression."""
        self._wanted = list(topics)

    def poll(self, limit: int, patience: float, gather: float = 0.0) -> Sequence[MemoryRecord]:  # noqa: ARG002 - all that came is there at once
        """Return the records that came, in order within each partition; wait for the first one at most ``patience``."""
        self._balance()
        found = self._come(limit)
        if not found:
            self._broker.wait(patience)
            found = self._come(limit)
        return found

    def pause(self) -> None:
        """Deliver nothing until ``resume``."""
        self._paused = True

    def resume(self) -> None:
        """Deliver again, from where it paused."""
        self._paused = False

    def hold(self, tables: Collection[str]) -> None:
        """Deliver nothing from the topics of these tables."""
        self._held = frozenset(tables)

    @property
    def paused(self) -> int:
        """Return the number of partitions that are not delivered from."""
        return len(self._next) if self._paused else 0

    def commit(self, offsets: Mapping[Partition, tuple[int, str]]) -> dict[Partition, str]:
        """Commit offsets with their metadata; return what went wrong, per partition."""
        broker = self._broker
        reason = KAFKA_AWAY if broker.away else broker.refuses_commits
        if reason:
            return dict.fromkeys(offsets, reason)
        mine = {where: told for where, told in offsets.items() if broker.holders.get(where) is self}
        if mine:
            broker.accept(mine)
        return dict.fromkeys(offsets.keys() - mine.keys(), "the partition is somebody else's")

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Committed]:
        """Return what the group has committed.

        Raises:
            TemporaryError: the broker is away.
        """
        self._ask()
        return {where: self._broker.offsets.get(where, Committed(None, None)) for where in partitions}

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """Return the ids of the topics.

        Raises:
            TemporaryError: the broker is away.
        """
        self._ask()
        return {topic: self._broker.topic_id(topic) for topic in topics}

    def look_for_topics(self) -> None:
        """Ask for the ids of the assigned topics; ``topics_found`` has the answer."""
        if not self._broker.away:
            self._looked = self.topic_ids({topic for topic, _ in self._next})

    def topics_found(self) -> dict[str, str]:
        """Return the answer to ``look_for_topics``, once."""
        looked, self._looked = self._looked, {}
        return looked

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """Return the first offset, 0, and the next one that the partition will give.

        Raises:
            TemporaryError: the broker is away.
        """
        self._ask()
        return 0, self._broker.end(partition)

    def high_water(self, partition: Partition) -> int:
        """Return the next offset that the partition will give."""
        return self._broker.end(partition)

    def at_end(self, partition: Partition) -> bool:
        """Return whether every record was delivered."""
        return self._next.get(partition, 0) >= self._broker.end(partition) and table_of(partition[0]) not in self._held

    def close(self) -> None:
        """Leave the group; the listener hears of every partition."""
        self._give_up(list(self._next), lost=False)
        self._wanted = []

    def _ask(self) -> None:
        if self._broker.away:
            raise TemporaryError(f"kafka: {KAFKA_AWAY}")

    def _balance(self) -> None:
        taken_away, self._taken_away = self._taken_away, []
        for partitions, lost in taken_away:
            self._give_up(partitions, lost=lost)
        if taken_away or self._broker.away:
            return
        free = [where for where in self._broker.partitions(self._wanted) if where not in self._broker.holders]
        if free:
            self._broker.holders |= dict.fromkeys(free, self)
            self._next |= self._listener.assigned(free)

    def _give_up(self, partitions: list[Partition], *, lost: bool) -> None:
        (self._listener.lost if lost else self._listener.revoked)(partitions)
        self._let_go(partitions)
        for where in partitions:
            self._next.pop(where, None)

    def _let_go(self, partitions: list[Partition]) -> None:
        for where in partitions:
            if self._broker.holders.get(where) is self:
                del self._broker.holders[where]

    def _come(self, limit: int) -> Sequence[MemoryRecord]:
        found: list[MemoryRecord] = []
        if self._paused or self._broker.away:
            return found
        for where, first in self._next.items():
            if table_of(where[0]) in self._held:
                continue
            some = self._broker.records(where, first, limit - len(found))
            self._next[where] = first + len(some)
            found += some
        return found
