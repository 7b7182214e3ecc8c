"""The watch role: the loop that takes records to the sinks.

One turn:

1. take records: decode, run handlers, gather rows per partition;
2. show row states and send dead letters, however long it takes: nothing after this may overtake them;
3. name plans: one commit acknowledges what is written and names what will be;
4. hand named plans to the writer, and note what it has written.

A sink that is away holds up its own step only. While it does, the loop keeps polling with all partitions paused, so
that the group keeps its member, and keeps the leases of open plans alive.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import structlog

from watcher.changes.assignment import Assignment
from watcher.changes.ingest import Ingest
from watcher.changes.journal import Journal
from watcher.changes.lane import Lane
from watcher.changes.limits import Limits
from watcher.changes.observer import Observer
from watcher.changes.plans import Plans, PlanWriter
from watcher.changes.polls import Polls
from watcher.changes.report import ChangeReport
from watcher.changes.sink import DeadLetterSink, StateSink
from watcher.changes.source import Source
from watcher.changes.stream_check import StreamCheck
from watcher.changes.taken import Taken
from watcher.model.dead_letter import DeadLetterLimit
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TopicReplacedError
from watcher.model.extent import Extent
from watcher.model.need_reason import NeedReason
from watcher.model.stream import AssignmentListener
from watcher.runtime import clock
from watcher.runtime.deadline import Deadline
from watcher.runtime.failpoint import reach
from watcher.runtime.retry import Retry, exactly, retry
from watcher.runtime.shutdown import Shutdown

log = structlog.get_logger(__name__)
T = TypeVar("T")

HOLD_SECONDS: Final = 0.25
"""Seconds of polling, with all partitions paused, between two attempts at a neighbour that is away. Shorter: it is
hammered; longer: leases are looked at less often, and work resumes later."""
HOLD: Final = Retry(HOLD_SECONDS, HOLD_SECONDS, jitter=exactly)

TOPICS_EVERY_SECONDS: Final = 5.0
"""Seconds between two looks at whether the topics are still the same ones. The client goes on at its old offset in a
topic that was made anew; longer: more is read there before the watcher stops, to be read again from the start."""
REVOKED_SHARE: Final = 1 / 3
"""Part of a lease for which the group waits at most until a partition that it takes away is written out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sinks:
    """Where effects go: states to Redis, rows to ClickHouse, refused records to their topic."""

    states: StateSink
    rows: PlanWriter
    dead_letters: DeadLetterSink
    dead_letter_limit: DeadLetterLimit
    """Stops the daemon when too many records are refused."""


class ChangeLoop:
    """Takes change events from a source to the sinks, each once.

    Args:
        open_source: makes the consumer for a listener.
        ingest: turns records into effects.
        sinks: take the effects.
        journal: remembers, beyond the process, what the group has read.
        report: hears what happens, for metrics and logs.
        limits: sizes and times.
        shutdown: when to end, and how long finishing may take.
        observers: hear of what a poll came to.
        checks: find out what the stream should have brought and did not.
        now: monotonic seconds.
    """

    def __init__(
        self,
        *,
        open_source: Callable[[AssignmentListener], Source],
        ingest: Ingest,
        sinks: Sinks,
        journal: Journal,
        report: ChangeReport,
        limits: Limits,
        shutdown: Shutdown,
        observers: Sequence[Observer] = (),
        checks: Sequence[StreamCheck] = (),
        now: Callable[[], float] = clock.now,
    ) -> None:
        self._ingest, self._sinks, self._journal, self._report = ingest, sinks, journal, report
        self._limits, self._shutdown, self._now = limits, shutdown, now
        self._observers, self._checks = observers, checks
        self._held: object = None
        self._looked_at = now()
        self._assignment = Assignment(
            open_source=open_source,
            journal=journal,
            report=report,
            limits=limits,
            await_written=self._await_written,
            turned=self._turned,
            shutdown=shutdown,
            now=now,
        )
        self._lanes, self._source = self._assignment.lanes, self._assignment.source
        self._polls = Polls(self._source, self._lanes, limits, now)
        self._plans = Plans(
            source=self._source,
            lanes=self._lanes,
            writer=sinks.rows,
            journal=journal,
            report=report,
            limits=limits,
            now=now,
        )

    def run(self, topics: Sequence[str]) -> None:
        """Run turns until the process is to end, then finish what is under way.

        Args:
            topics: to read, by name or, beginning with ``^``, as regular expressions.

        Raises:
            StopError: going on would lose or double something.
        """
        self.subscribe(topics)
        try:
            while not self._shutdown.begun:
                self.turn()
            self._plans.finish(self._shutdown.deadline, self._turned)
            log.info("watch.finished", open_plans=self._plans.open)
        finally:
            self.close()

    def subscribe(self, topics: Sequence[str]) -> None:
        """Join the group; partitions come with the polls of the turns that follow."""
        self._source.subscribe(topics)

    def turn(self) -> None:
        """Take one poll's records through all steps.

        Raises:
            StopError: going on would lose or double something.
            TemporaryError: a neighbour is away, and the time that there is to end has passed.
        """
        self._tick()
        records, lanes = self._polls.next(self._plans.seconds_until_due())
        at, end = 0, len(records)
        while at < end:
            taken, at = self._ingest.take(records, lanes, self._now(), at)
            self._show(taken)
            for check in self._checks:
                self._need(self._retry("redis", partial(check.taken, taken, self._lanes)))
            self._need(taken.needs())
            self._send_dead_letters(taken)
            self._note(taken)
            self._plans.submit_reread()
        for check in self._checks:
            self._need(check.turned(self._lanes, self._source))
        self._plans.collect()
        self._plans.commit_due()
        self._apply_backpressure()

    def close(self) -> None:
        """Leave the group. The sinks are closed by whoever made them."""
        self._source.close()

    # -- one turn, step by step ---------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Do what has to go on while a step takes long: the journal, the topics and paused tables are looked at.

        Raises:
            StopError: the journal, or the topics, say that going on would lose or double something.
        """
        self._turned()
        self._report.turn(self._source, self._lanes)
        if self._journal.failure is not None:
            raise self._journal.failure
        self._hold_paused_tables()
        if self._now() - self._looked_at >= TOPICS_EVERY_SECONDS:
            self._looked_at = self._now()
            self._source.look_for_topics()
        for topic, found in self._source.topics_found().items():
            self._compare_topic(topic, found)

    def _hold_paused_tables(self) -> None:
        """Leave in their topics the changes of tables that a person has paused; what was taken goes its way."""
        paused = self._journal.paused
        if paused is not self._held:
            self._held = paused
            self._source.hold(paused)
            self._report.held(paused)

    def _compare_topic(self, topic: str, found: str) -> None:
        for lane in self._lanes.values():
            if lane.topic == topic and lane.progress.topic_id != found:
                raise TopicReplacedError(lane.partition, lane.progress.topic_id, found, topic)

    def _turned(self) -> None:
        for observer in self._observers:
            observer.turned()

    def _show(self, taken: Taken) -> None:
        """Show the states of what was taken; return when that is done."""
        if not taken.states:
            return
        begun = time.monotonic()
        self._report.showing(taken)
        shown = self._retry("redis", lambda: self._sinks.states.apply(taken.states, self._journal.history))
        reach("redis.applied")
        self._report.shown(taken, shown, time.monotonic() - begun)
        for observer in self._observers:
            observer.shown(taken.states)
            if shown.absent:
                observer.absent(shown.absent)

    def _send_dead_letters(self, taken: Taken) -> None:
        """Send the letters of what was taken; return when they are durable.

        Raises:
            DeadLetterLimitError: there are too many; those that the limit allows are sent.
        """
        # A restart reads and refuses the same records: what is over the limit would be sent again each time.
        allowed, over = self._sinks.dead_letter_limit.allow(taken.runs)
        if taken.dead_letters:
            self._sinks.dead_letters.send(taken.dead_letters[:allowed])
            self._retry("dead_letters", self._sinks.dead_letters.flush)
            reach("dead_letters.flushed")
        if over is not None:
            raise over

    def _note(self, taken: Taken) -> None:
        """Count what was taken, and wait if the first record that was not taken has to."""
        self._report.taken(taken)
        self._report.in_flight(self._lanes)
        if taken.waiting is not None:
            self._report.away("registry", taken.waiting)
            if self._hold(HOLD_SECONDS):
                raise taken.waiting

    def _need(self, needs: Mapping[ReconcileNeeded, Extent]) -> None:
        """Note which tables only a comparison can tell from now on, and tell of those that were not known to."""
        for table in sorted(needed.table for needed in needs if needed.reason == NeedReason.TRUNCATE):
            for observer in self._observers:
                observer.emptied(table)
        for needed in self._journal.note(needs) if needs else ():
            self._report.reconcile(needed, needs[needed])
            for observer in self._observers:
                observer.reconcile(needed)

    def _apply_backpressure(self) -> None:
        """Stop reading while too much waits for ClickHouse; go on when half of it is gone."""
        waiting = self._plans.waiting_rows
        self._report.waiting(waiting)
        if waiting > self._limits.max_pending_rows:
            self._source.pause()
        elif self._source.paused and waiting <= self._limits.max_pending_rows / 2:
            self._source.resume()

    # -- a neighbour is away ------------------------------------------------------------------------------------------

    def _retry(self, neighbour: str, action: Callable[[], T]) -> T:
        """Return what an action comes to, trying until it succeeds; meanwhile nothing is read, and leases are kept.

        Raises:
            TemporaryError: the neighbour is still away at the deadline of the end.
        """
        return retry(action, HOLD, self._hold, partial(self._report.away, neighbour))

    def _hold(self, seconds: float) -> bool:
        """Wait without reading; return True, and at once, when the deadline of the end has passed."""
        if self._shutdown.begun and self._shutdown.deadline.expired:
            return True
        self._source.pause()
        until = self._now() + seconds
        while True:
            self._polls.keep(until - self._now())
            self._tick()
            self._plans.collect()
            self._plans.renew_leases()
            if self._now() >= until:
                return False

    # -- the end ------------------------------------------------------------------------------------------------------

    def _await_written(self, lanes: Sequence[Lane]) -> None:
        """Wait until nothing of these lanes is with the writer, or the group will not wait any longer."""
        seconds = min(self._limits.lease * REVOKED_SHARE, max(self._shutdown.remaining(), 1.0))
        self._plans.await_written(lanes, Deadline.after(seconds, self._now))
