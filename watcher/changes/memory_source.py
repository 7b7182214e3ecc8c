"""A member of a consumer group that reads topics in memory; see :mod:`watcher.changes.memory_broker`."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from watcher.changes.memory_broker import KAFKA_AWAY, MemoryBroker, MemoryRecord
from watcher.model.errors import TemporaryError
from watcher.model.stream import AssignmentListener, Committed, Partition
from watcher.model.table_pause import table_of


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
