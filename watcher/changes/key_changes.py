"""Finds creates that a changed key has announced and that never came: their tables are to be compared.

A create may lie in another partition than its delete, be read earlier or by another process. So it is looked for among
what this process has in hand, and in ClickHouse once everything that was there at the time has been read.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from watcher.changes.lane import Lane
from watcher.changes.source import Source
from watcher.changes.taken import Taken
from watcher.model.effects import ReconcileNeeded
from watcher.model.extent import Extent
from watcher.model.key_change import KeyChange, of_topic
from watcher.model.metric_rows import MetricRows
from watcher.model.need_reason import NeedReason
from watcher.model.stream import Partition
from watcher.runtime import clock
from watcher.runtime.worker import Signal, Task

PATIENCE_SECONDS: Final = 30.0
"""Seconds until a create is looked for in ClickHouse. Smaller: another process has it in hand still; larger: a loss is
told later."""
LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at whether the partitions have been read to their ends."""
MAX_AWAITED: Final = 100_000
"""Creates that are awaited at a time; of more, the oldest are looked for at once. Larger: more memory."""


class Present(Protocol):
    """Tells which changes are counted; a part of :class:`watcher.changes.sink.RowSink`."""

    def present(self, batches: Sequence[MetricRows]) -> set[bytes]:
        """Return identities of changes that are there, of those with the batches' log positions at least.

        Raises:
            TemporaryError: it is away.
        """
        ...

    def close(self) -> None:
        """Close the connection to the neighbour."""
        ...


@dataclass(slots=True)
class _Awaited:
    change: KeyChange
    since: float
    unread: set[Partition] = field(default_factory=set)
    """Partitions of its topic that were not read to their end since."""


class KeyChanges(Task):
    """The creates that are awaited: the loop's thread tells what comes, the worker's looks for what does not.

    Args:
        counted: knows which changes are counted; used and closed by the worker's thread alone.
        now: monotonic seconds.
    """

    def __init__(self, counted: Present, now: Callable[[], float] = clock.now) -> None:
        self.signal = Signal()
        self._counted, self._now = counted, now
        self._awaited: dict[bytes, _Awaited] = {}
        self._looked_at = 0.0
        self._wanted: deque[KeyChange] = deque()
        """Creates that are to be looked for in ClickHouse."""
        self._missing: deque[KeyChange] = deque()
        """Creates that ClickHouse does not have."""

    # -- the loop's thread --------------------------------------------------------------------------------------------

    def expect(self, changes: Iterable[KeyChange], lanes: Mapping[Partition, Lane]) -> None:
        """Await the creates of changed keys."""
        for change in changes:
            self._awaited[change.identity] = _Awaited(change, self._now(), of_topic(lanes, change.topic))
        over = len(self._awaited) - MAX_AWAITED
        for identity in list(self._awaited)[: max(0, over)]:
            self._want(self._awaited.pop(identity).change)

    def taken(self, taken: Taken, lanes: Mapping[Partition, Lane]) -> dict[ReconcileNeeded, Extent]:
        """Await the creates that records announce; return nothing, for none of them is missed yet."""
        if taken.key_changes:
            self.expect(taken.key_changes, lanes)
        return {}

    def turned(self, lanes: Mapping[Partition, Lane], source: Source) -> dict[ReconcileNeeded, Extent]:
        """Forget creates that came, and have the others looked for in time; return what has to be compared."""
        if self._awaited:
            for lane in lanes.values():
                for gathered in (lane.gathered, lane.writing):
                    for identity in self._awaited.keys() & gathered.identities:
                        del self._awaited[identity]
            self._look(lanes, source)
        needs: dict[ReconcileNeeded, Extent] = {}
        while self._missing:
            change = self._missing.popleft()
            need, found = ReconcileNeeded(change.table, NeedReason.KEY_CHANGE), Extent(change.place, change.place)
            needs[need] = needs[need].then(found) if need in needs else found
        return needs

    def _look(self, lanes: Mapping[Partition, Lane], source: Source) -> None:
        now = self._now()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        read = {partition for partition in lanes if source.at_end(partition)}
        for identity, awaited in list(self._awaited.items()):
            awaited.unread = (awaited.unread - read) & lanes.keys()
            if not awaited.unread and now - awaited.since >= PATIENCE_SECONDS:
                del self._awaited[identity]
                self._want(awaited.change)

    def _want(self, change: KeyChange) -> None:
        self._wanted.append(change)
        self.signal.wake()

    # -- the worker's thread ------------------------------------------------------------------------------------------

    def turn(self) -> float:
        """Look for creates in ClickHouse.

        Raises:
            TemporaryError: it is away; they are looked for again.
        """
        wanted = list(self._wanted)
        if wanted:
            rows = MetricRows()
            rows.lsns.extend(change.lsn for change in wanted)
            rows.count = len(wanted)
            there = self._counted.present([rows])
            for change in wanted:
                self._wanted.popleft()
                if change.identity not in there:
                    self._missing.append(change)
        return float("inf")

    def end(self) -> None:
        """Close the connection, which is this thread's."""
        self._counted.close()
