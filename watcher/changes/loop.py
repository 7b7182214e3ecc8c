"""The watch role: the loop that takes records to the sinks.

One turn:

1. take records: decode, run handlers, gather rows per partition;
2. show row states in Redis and send dead letters, however long it takes: nothing after this may overtake them;
3. name plans: one commit acknowledges what is written and names what will be;
4. hand named plans to the writer, and note what it has written.

A sink that is away holds up its own step only. While it does, the loop keeps polling with all partitions paused, so
that the group keeps its member, and keeps the leases of open plans alive.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
from confluent_kafka import Message

from watcher.changes.assignment import Assignment
from watcher.changes.ingest import Ingest, Taken
from watcher.changes.journal import Journal
from watcher.changes.lane import Gathered, Job, Lane
from watcher.changes.report import Report
from watcher.changes.writer import Writer, Written
from watcher.kafka.dead_letters import DeadLetters
from watcher.kafka.source import KafkaSource, Listener, OffsetLostError, Partition
from watcher.model.dead_letter import DeadLetterLimit
from watcher.model.errors import OffsetGoneError, TemporaryError, TopicReplacedError
from watcher.model.plan import Plan
from watcher.model.row_state import RowStates
from watcher.redis.sink import RedisSink
from watcher.runtime import clock
from watcher.runtime.failpoint import reach

log = structlog.get_logger(__name__)
T = TypeVar("T")

RETRY_WAIT: Final = 0.25
"""Seconds of polling, with all partitions paused, between two attempts at a sink that is away."""
IDLE_AFTER: Final = 1.0
"""Seconds until offsets of which nothing is left to write are acknowledged. Shorter: more commits; longer: a restart
reads more again, and lag shows records that are done."""

TOPICS_EVERY: Final = 5.0
"""Seconds between two looks at whether the topics are still the same ones. The client goes on at its old offset in a
topic that was made anew; longer: more is read there before the watcher stops, to be read again from the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The values that the loop needs of the settings; see there for units and reasons."""

    group: str
    flush_interval: float
    max_rows: int
    max_pending_rows: int
    poll_records: int
    poll_timeout: float
    lease: float
    shutdown_deadline: float


class Watch:
    """Takes change events from Kafka to ClickHouse and Redis, each once.

    Args:
        open_source: makes the consumer for a listener.
        ingest, redis, writer, letters, journal, report: the parts of a turn.
        limit: stops the daemon when too many records are refused.
        limits: sizes and times.
        turned: told of each turn, for the liveness probe.
        shown: told of rows that Redis shows from now on; must return at once.
        absent_seen: told of crucibles that Redis does not hold, though entries came for them.
    """

    def __init__(
        self,
        *,
        open_source: Callable[[Listener], KafkaSource],
        ingest: Ingest,
        redis: RedisSink,
        writer: Writer,
        letters: DeadLetters,
        limit: DeadLetterLimit,
        journal: Journal,
        report: Report,
        limits: Limits,
        turned: Callable[[], None],
        shown: Callable[[RowStates], None],
        absent_seen: Callable[[frozenset[int]], None],
    ) -> None:
        self._ingest, self._redis, self._writer, self._letters = ingest, redis, writer, letters
        self._limit, self._journal, self._report, self._limits, self._turned = limit, journal, report, limits, turned
        self._shown = shown
        self._absent_seen = absent_seen
        self._held: deque[tuple[Sequence[Message], Mapping[Partition, Lane]]] = deque()
        self._stopping_at: float | None = None
        self._looked_at = clock.now()
        self._assignment = Assignment(
            open_source=open_source,
            journal=journal,
            report=report,
            group=limits.group,
            lease=limits.lease,
            written=self._await_written,
            turned=turned,
        )
        self._lanes, self._source = self._assignment.lanes, self._assignment.source

    def run(self, topics: Sequence[str]) -> None:
        """Turn until ``stop`` is called.

        Raises:
            StopError: going on would lose or double something.
        """
        self._source.subscribe(topics)
        try:
            while self._stopping_at is None:
                self.turn()
            self._finish()
        finally:
            self._source.close()
            self._writer.close(self._remaining())
            self._journal.close(self._remaining())
            self._redis.close()

    def stop(self) -> None:
        """Finish what is under way and return from ``run``; safe to call from a signal handler."""
        if self._stopping_at is None:
            self._stopping_at = clock.now()
            self._assignment.stopping = True

    def turn(self) -> None:
        """One turn of the loop."""
        self._tick()
        messages, lanes = self._held.popleft() if self._held else self._poll(self._limits.poll_timeout)
        at, end = 0, len(messages)
        while at < end:
            taken, at = self._ingest.take(messages, lanes, clock.now(), at)
            self._settle(taken)
            self._reread()
        self._collect()
        self._plan()
        self._apply_backpressure()

    # -- one turn, step by step ---------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._turned()
        self._report.turn(self._source, self._lanes)
        if self._journal.failure is not None:
            raise self._journal.failure
        self._see_topics()

    def _see_topics(self) -> None:
        if clock.now() - self._looked_at >= TOPICS_EVERY:
            self._looked_at = clock.now()
            self._source.look_for_topics()
        for topic, found in self._source.topics_found().items():
            for lane in self._lanes.values():
                if lane.topic == topic and lane.progress.topic_id != found:
                    raise TopicReplacedError(lane.partition, lane.progress.topic_id, found, topic)

    def _poll(self, timeout: float) -> tuple[Sequence[Message], Mapping[Partition, Lane]]:
        try:
            messages = self._source.poll(self._limits.poll_records, timeout)
        except OffsetLostError as error:
            at = error.position
            raise OffsetGoneError(self._limits.group, at.topic, at.partition, f"offset {at.offset} is gone") from error
        if messages:
            reach("poll.taken")
        return messages, dict(self._lanes)

    def _settle(self, taken: Taken) -> None:
        """Show the states and send the letters of what was taken; return when both are done."""
        begun = time.monotonic()
        if taken.states:
            applied = self._retry("redis", lambda: self._redis.apply(taken.states, self._journal.history))
            reach("redis.applied")
            self._shown(taken.states)
            self._report.shown(taken, applied, time.monotonic() - begun)
            if applied.absent:
                self._absent_seen(applied.absent)
        # A restart reads and refuses the same records: what is over the limit would be sent again each time.
        allowed, over = self._limit.allow(taken.runs)
        if taken.letters:
            self._letters.send(taken.letters[:allowed])
            self._retry("dead_letters", self._letters.flush)
            reach("dead_letters.flushed")
        if over is not None:
            raise over
        self._report.taken(taken)
        self._report.in_flight(self._lanes)
        for needed in self._journal.note(set(taken.reconcile)) if taken.reconcile else ():
            self._report.reconcile(needed)
        if taken.waiting is not None:
            self._wait("registry", taken.waiting)

    def _reread(self) -> None:
        """Hand plans that were found in the metadata to the writer, once their records have been read again."""
        for lane in self._lanes.values():
            progress = lane.progress
            if progress.reread and progress.open is not None and not lane.submitted:
                self._submit(lane, progress.open, recover=True)

    def _submit(self, lane: Lane, plan: Plan, *, recover: bool) -> None:
        gathered = lane.take()
        lane.submitted, lane.writing = True, gathered
        self._writer.submit(Job(lane, plan, gathered, recover=recover, named_at=clock.now()))

    def _collect(self) -> None:
        """Note what the writer has written."""
        self._writer.finished.clear()
        while self._writer.done:
            self._written(self._writer.done.popleft())

    def _written(self, written: Written) -> None:
        job = written.job
        if written.error is not None:
            raise written.error
        if job.lane.lost or written.outcome is None:
            self._report.given_up(job.gathered)
            return
        reach("plan.written")
        job.lane.submitted, job.lane.writing = False, Gathered()
        job.lane.progress.written(job.plan)
        self._report.written(job, written.outcome)

    def _await_written(self, lanes: Sequence[Lane]) -> None:
        """Collect until nothing of these lanes is with the writer, as long as the group waits for us."""
        deadline = clock.now() + min(self._limits.lease / 3, max(self._remaining(), 1.0))
        while any(lane.submitted for lane in lanes) and clock.now() < deadline:
            self._writer.finished.wait(0.05)
            self._collect()

    def _plan(self, *, all_of_it: bool = False) -> None:
        """Commit, in one request: new plans, leases to renew, and offsets of which nothing is left to write."""
        now = clock.now()
        plans: dict[Partition, Plan] = {}
        for partition, lane in self._lanes.items():
            plan = self._next_plan(lane, now, all_of_it=all_of_it)
            if plan is not None:
                plans[partition] = plan
        if plans:
            reach("plan.naming")
            self._commit(plans)

    def _commit(self, plans: Mapping[Partition, Plan]) -> None:
        refused = self._source.commit({key: (plan.start, plan.to_metadata()) for key, plan in plans.items()})
        for partition, reason in refused.items():
            self._report.commit_refused(partition, reason)
        for partition in plans.keys() - refused.keys():
            self._opened(self._lanes.get(partition), plans[partition])

    def _next_plan(self, lane: Lane, now: float, *, all_of_it: bool) -> Plan | None:
        progress, gathered, limits = lane.progress, lane.gathered, self._limits
        if progress.open is not None:
            # Also a plan that was found in the metadata.
            return progress.open if lane.renewal_due(now) else None
        if gathered.rows:
            full = len(gathered.rows) >= limits.max_rows
            if all_of_it or full or now - gathered.since >= limits.flush_interval:
                return progress.name()
            return None
        if not progress.idle:
            self._report.applied(lane.take())
            progress.nothing_to_write()
        overdue = all_of_it or now - lane.acknowledged_at >= IDLE_AFTER
        return progress.name() if overdue and progress.durable > lane.acknowledged else None

    def _opened(self, lane: Lane | None, plan: Plan) -> None:
        if lane is None:  # taken away while the commit was under way
            return
        new = lane.progress.open is None and not plan.empty
        lane.progress.opened(plan, clock.now())
        lane.acknowledged, lane.acknowledged_at = plan.start, clock.now()
        self._journal.remember((lane.topic, lane.partition), plan.topic_id)
        if new:
            reach("plan.committed")
            self._submit(lane, plan, recover=False)
        elif plan.empty:
            reach("idle.acknowledged")

    def _apply_backpressure(self) -> None:
        """Stop reading while too much waits for ClickHouse; go on when half of it is gone."""
        waiting = sum(len(lane.gathered.rows) + len(lane.writing.rows) for lane in self._lanes.values())
        self._report.waiting(waiting)
        if waiting > self._limits.max_pending_rows:
            self._source.pause()
        elif self._source.paused and waiting <= self._limits.max_pending_rows / 2:
            self._source.resume()

    # -- a neighbour is away ------------------------------------------------------------------------------------------

    def _retry(self, sink: str, action: Callable[[], T]) -> T:
        """Do it, however often it takes. Meanwhile nothing is read, the group keeps us, and leases stay alive."""
        while True:
            try:
                return action()
            except TemporaryError as error:
                self._wait(sink, error)

    def _wait(self, sink: str, error: TemporaryError) -> None:
        self._report.away(sink, error)
        if self._stopping_at is not None and self._remaining() <= 0:
            raise error
        self._source.pause()
        held = self._poll(RETRY_WAIT)
        if held[0]:
            self._held.append(held)
        self._tick()
        self._collect()
        self._renew()

    def _renew(self) -> None:
        """Keep the leases of open plans while the loop is held up; name nothing new."""
        now = clock.now()
        due = {
            partition: lane.progress.open
            for partition, lane in self._lanes.items()
            if lane.progress.open is not None and lane.renewal_due(now)
        }
        if due:
            self._commit(due)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Write and acknowledge everything that was taken, within the deadline; what is left is the next owner's."""
        while self._remaining() > 0:
            self._collect()
            self._plan(all_of_it=True)
            if all(_settled(lane) for lane in self._lanes.values()):
                break
            self._turned()
            self._writer.finished.wait(0.05)
        log.info("watch.finished", open_plans=sum(lane.progress.open is not None for lane in self._lanes.values()))

    def _remaining(self) -> float:
        if self._stopping_at is None:
            return self._limits.shutdown_deadline
        return max(0.0, self._stopping_at + self._limits.shutdown_deadline - clock.now())


def _settled(lane: Lane) -> bool:
    """Nothing is left to do at the end: all is acknowledged, or waits for records that are not read any more."""
    if lane.progress.rereading and not lane.submitted:
        return True
    return lane.progress.idle and lane.acknowledged == lane.progress.durable
