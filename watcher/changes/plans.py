"""Naming plans, having them written, and acknowledging what is written: steps 3 and 4 of the loop's turn.

``watcher/model/progress.py`` says what may follow on what; here are the commits and the writer's jobs that it comes to.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from watcher.changes.journal import Journal
from watcher.changes.lane import Gathered, Job, Lane
from watcher.changes.limits import Limits
from watcher.changes.report import ChangeReport
from watcher.changes.source import Source
from watcher.changes.writer import JobResult
from watcher.model.plan import Plan
from watcher.model.stream import Partition
from watcher.runtime.deadline import Deadline
from watcher.runtime.failpoint import reach

ACKNOWLEDGE_AFTER_SECONDS: Final = 1.0
"""Seconds until offsets of which nothing is left to write are acknowledged. Shorter: more commits; longer: a restart
reads more again, and lag shows records that are done."""
WRITER_LOOK_SECONDS: Final = 0.05
"""Seconds between two looks at the writer while nothing else is to be done. Longer: what it has written is acknowledged
later, and the next plan waits for that; shorter: the loop turns more often for nothing."""


class Finished(Protocol):
    """A flag that is set when a result is there; ``threading.Event`` is one."""

    def wait(self, timeout: float) -> object:
        """Wait until it is set, for some seconds at most."""
        ...

    def clear(self) -> None:
        """Take the flag down, so that the next result sets it again."""
        ...


class PlanWriter(Protocol):
    """What the loop needs of whoever writes plans beside it: :class:`watcher.changes.writer.Writer`."""

    @property
    def done(self) -> deque[JobResult]:
        """Return the results of jobs, the oldest on the left, from where the loop takes them."""
        ...

    @property
    def finished(self) -> Finished:
        """Return the flag that is set when a result was added."""
        ...

    def submit(self, job: Job) -> None:
        """Have a job written when its turn comes; return at once."""
        ...


class Plans:
    """The plans of this process' lanes. Used by the loop's thread.

    Args:
        source: takes the commits.
        lanes: the assigned partitions, as they are at each moment.
        writer: writes what is named.
        journal: remembers which topics the group has read.
        report: hears what happens.
        limits: sizes and times.
        now: monotonic seconds.
    """

    def __init__(
        self,
        *,
        source: Source,
        lanes: Mapping[Partition, Lane],
        writer: PlanWriter,
        journal: Journal,
        report: ChangeReport,
        limits: Limits,
        now: Callable[[], float],
    ) -> None:
        self._source, self._lanes, self._writer, self._journal = source, lanes, writer, journal
        self._report, self._limits, self._now = report, limits, now

    # -- naming -------------------------------------------------------------------------------------------------------

    def commit_due(self, *, everything: bool = False) -> None:
        """Commit, in one request: new plans, leases to renew, and offsets of which nothing is left to write.

        Partitions whose rows would be due a little later come along with one whose interval is over, for a request to
        Kafka and a question to ClickHouse cost the same for one partition and for all.

        Args:
            everything: also what could wait longer, because the daemon ends.
        """
        now = self._now()
        for lane in self._lanes.values():
            self._pass_over_rowless(lane)
        due = {partition for partition, lane in self._lanes.items() if everything or self._due_at(lane) <= now}
        if not due:
            return
        together = everything or any(self._interval_is_over(self._lanes[partition], now) for partition in due)
        plans: dict[Partition, Plan] = {}
        for partition, lane in self._lanes.items():
            plan = self._next_plan(lane, due=partition in due, together=together)
            if plan is not None:
                plans[partition] = plan
        if plans:
            reach("plan.naming")
            self._commit(plans)

    def seconds_until_due(self) -> float:
        """Return the seconds until there will be something to commit or to collect, if no record comes before.

        Zero or less: there is already. Infinite: there will be nothing.
        """
        if not self._lanes:
            return math.inf
        seconds = min(map(self._due_at, self._lanes.values())) - self._now()
        if any(lane.submitted for lane in self._lanes.values()):
            return min(seconds, WRITER_LOOK_SECONDS)
        return seconds

    def renew_leases(self) -> None:
        """Keep the leases of open plans while the loop is held up; name nothing new."""
        now = self._now()
        due = {
            partition: lane.progress.open
            for partition, lane in self._lanes.items()
            if lane.progress.open is not None and lane.renewal_due_at <= now
        }
        if due:
            self._commit(due)

    def _pass_over_rowless(self, lane: Lane) -> None:
        """Note that the records so far leave no rows, and so need no plan."""
        if lane.progress.open is None and not lane.gathered.rows and not lane.progress.idle:
            self._report.applied(lane.take())
            lane.progress.nothing_to_write()

    def _due_at(self, lane: Lane) -> float:
        """Return when something of a lane has to be committed, in monotonic seconds; infinite if nothing has to be."""
        if lane.progress.open is not None:  # also a plan that was found in the metadata
            return lane.renewal_due_at
        if lane.gathered.rows:
            full = len(lane.gathered.rows) >= self._limits.max_rows
            return -math.inf if full else lane.gathered.since + self._limits.flush_interval
        if lane.progress.durable > lane.acknowledged:
            return lane.acknowledged_at + ACKNOWLEDGE_AFTER_SECONDS
        return math.inf

    def _interval_is_over(self, lane: Lane, now: float) -> bool:
        rows_wait = lane.progress.open is None and bool(lane.gathered.rows)
        return rows_wait and now - lane.gathered.since >= self._limits.flush_interval

    def _next_plan(self, lane: Lane, *, due: bool, together: bool) -> Plan | None:
        """Return what to commit for a lane, if anything.

        Args:
            lane: the partition.
            due: it is due by itself.
            together: rows of other partitions are named because their interval is over.
        """
        progress = lane.progress
        if progress.open is not None:
            return progress.open if due else None
        if lane.gathered.rows:
            return progress.name() if due or together else None
        return progress.name() if progress.durable > lane.acknowledged else None

    def _commit(self, plans: Mapping[Partition, Plan]) -> None:
        refused = self._source.commit({key: (plan.start, plan.to_metadata()) for key, plan in plans.items()})
        for partition, reason in refused.items():
            self._report.commit_refused(partition, reason)
        for partition in plans.keys() - refused.keys():
            lane = self._lanes.get(partition)
            if lane is not None:  # else taken away while the commit was under way
                self._committed(lane, plans[partition])

    def _committed(self, lane: Lane, plan: Plan) -> None:
        """Note that Kafka knows the plan, and hand it to the writer if it is a new one."""
        new = lane.progress.open is None and not plan.empty
        lane.progress.opened(plan, self._now())
        lane.acknowledged, lane.acknowledged_at = plan.start, self._now()
        self._journal.remember((lane.topic, lane.partition), plan.topic_id)
        if new:
            reach("plan.committed")
            self._submit(lane, plan, recover=False)
        elif plan.empty:
            reach("idle.acknowledged")

    # -- writing ------------------------------------------------------------------------------------------------------

    def submit_reread(self) -> None:
        """Hand plans that were found in the metadata to the writer, once their records have been read again."""
        for lane in self._lanes.values():
            progress = lane.progress
            if progress.reread and progress.open is not None and not lane.submitted:
                self._submit(lane, progress.open, recover=True)

    def collect(self) -> None:
        """Note what the writer has written.

        Raises:
            Exception: what a job failed with, if it will not go away by itself.
        """
        self._writer.finished.clear()
        while self._writer.done:
            self._note_written(self._writer.done.popleft())

    def await_written(self, lanes: Sequence[Lane], deadline: Deadline) -> None:
        """Collect until nothing of these lanes is with the writer, or the deadline has passed."""
        while any(lane.submitted for lane in lanes) and not deadline.expired:
            self._writer.finished.wait(WRITER_LOOK_SECONDS)
            self.collect()

    def finish(self, deadline: Deadline, turned: Callable[[], None]) -> None:
        """Write and acknowledge everything that was taken; what is left at the deadline is the next owner's.

        Args:
            deadline: when to return at the latest.
            turned: called each time around.
        """
        while not deadline.expired:
            self.collect()
            self.commit_due(everything=True)
            if all(_settled(lane) for lane in self._lanes.values()):
                return
            turned()
            self._writer.finished.wait(WRITER_LOOK_SECONDS)

    @property
    def waiting_rows(self) -> int:
        """Return how many rows wait in memory, those included that the writer has."""
        return sum(len(lane.gathered.rows) + len(lane.writing.rows) for lane in self._lanes.values())

    @property
    def open(self) -> int:
        """Return how many plans are open."""
        return sum(lane.progress.open is not None for lane in self._lanes.values())

    def _submit(self, lane: Lane, plan: Plan, *, recover: bool) -> None:
        gathered = lane.take()
        lane.submitted, lane.writing = True, gathered
        self._writer.submit(Job(lane, plan, gathered, recover=recover, named_at=self._now()))

    def _note_written(self, written: JobResult) -> None:
        job = written.job
        if written.error is not None:
            raise written.error
        if job.lane.lost or written.outcome is None:
            self._report.given_up(job.gathered)
            return
        reach("plan.written")
        job.lane.submitted, job.lane.writing = False, Gathered()
        job.lane.progress.written(job.plan)
        self._report.written(job, written.outcome, written.repeated)


def _settled(lane: Lane) -> bool:
    """Return whether nothing of a lane is left to do at the end.

    All is acknowledged; or it waits for records that this process will not read any more.
    """
    if lane.progress.rereading and not lane.submitted:
        return True
    return lane.progress.idle and lane.acknowledged == lane.progress.durable
