"""The partitions that the consumer group gave to this process, and what happens when it gives or takes them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog

from watcher.changes.journal import Journal
from watcher.changes.lane import Lane
from watcher.changes.limits import Limits
from watcher.changes.report import ChangeReport
from watcher.changes.source import Source
from watcher.model.plan import Plan
from watcher.model.start import PartitionState, start
from watcher.model.stream import AssignmentListener, Partition
from watcher.runtime.retry import Retry, retry
from watcher.runtime.shutdown import Shutdown

log = structlog.get_logger(__name__)
T = TypeVar("T")

UNTIL_IT_ANSWERS: Final = Retry(0.25, 0.25)
"""How long to wait between two questions to a broker. Shorter: hammering; longer: a slower start."""


class Assignment:
    """The lanes of this process, as the group gives and takes its partitions.

    The client calls from within the loop's polls, so all of it runs in the loop's thread.

    Args:
        open_source: makes the consumer for a listener.
        journal, report: what is remembered, and who is told.
        limits: the consumer group's name, and how long a commit proves that a partition is ours.
        await_written: returns when the writer has nothing of some lanes any more, or too much time has passed.
        turned: told that the loop is alive.
        shutdown: once it has begun, a broker that is away is not waited for.
        now: monotonic seconds.
    """

    def __init__(
        self,
        *,
        open_source: Callable[[AssignmentListener], Source],
        journal: Journal,
        report: ChangeReport,
        limits: Limits,
        await_written: Callable[[Sequence[Lane]], None],
        turned: Callable[[], None],
        shutdown: Shutdown,
        now: Callable[[], float],
    ) -> None:
        self._journal, self._report, self._limits = journal, report, limits
        self._await_written, self._turned, self._shutdown, self._now = await_written, turned, shutdown, now
        self.lanes: dict[Partition, Lane] = {}
        self.source = open_source(AssignmentListener(assigned=self._assigned, revoked=self._revoked, lost=self._lost))

    def _assigned(self, partitions: list[Partition]) -> dict[Partition, int]:
        if not partitions:
            return {}
        committed = self._ask(lambda: self.source.committed(partitions))
        ids = self._ask(lambda: self.source.topic_ids({topic for topic, _ in partitions}))
        for partition in partitions:
            low, high = self._ask(lambda partition=partition: self.source.bounds(partition))  # type: ignore[misc]
            progress = start(
                PartitionState(
                    group=self._limits.group,
                    topic=partition[0],
                    partition=partition[1],
                    topic_id=ids[partition[0]],
                    low=low,
                    high=high,
                    committed=committed[partition].offset,
                    metadata=committed[partition].metadata,
                    seen=self._journal.seen(partition),
                )
            )
            self.lanes[partition] = Lane(*partition, progress, self._limits.lease, self._now)
            log.info(
                "partition.assigned", topic=partition[0], partition=partition[1], offset=progress.next,
                open_plan=progress.open.token if progress.open else None,
            )  # fmt: skip
        self._report.rebalanced("assigned", partitions)
        return {partition: self.lanes[partition].progress.next for partition in partitions}

    def _ask(self, question: Callable[[], T]) -> T:
        """Return the broker's answer, asking until it comes; the group waits for us for ``max.poll.interval.ms``."""
        return retry(question, UNTIL_IT_ANSWERS, self._pause, partial(self._report.away, "kafka"))

    def _pause(self, seconds: float) -> bool:
        """Wait for some seconds; return True, and at once, when the daemon is to end."""
        self._turned()
        if not self._shutdown.begun:
            self._shutdown.pause(seconds)
        return self._shutdown.begun

    def _revoked(self, partitions: list[Partition]) -> None:
        """Finish what is being written, for as long as the group waits for it, and give the partitions up."""
        leaving = [self.lanes[partition] for partition in partitions if partition in self.lanes]
        self._await_written(leaving)
        clean = {}
        for lane in leaving:
            if lane.progress.open is None and lane.progress.durable > lane.acknowledged:
                plan = Plan(lane.progress.topic_id, lane.partition, lane.progress.durable, lane.progress.durable)
                clean[lane.topic, lane.partition] = (plan.start, plan.to_metadata())
        if clean:
            self.source.commit(clean)
        self._drop("revoked", partitions)

    def _lost(self, partitions: list[Partition]) -> None:
        self._drop("lost", partitions)

    def _drop(self, kind: str, partitions: list[Partition]) -> None:
        for partition in partitions:
            lane = self.lanes.pop(partition, None)
            if lane is not None:
                lane.lose()
                self._report.given_up(lane.take())
                log.info("partition.given_up", why=kind, of=lane.name, durable=lane.progress.durable)
        self._report.rebalanced(kind, partitions)
