"""Metrics and log lines of the change loop: one for each batch, never one for each event."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Final

import structlog

from watcher.changes.beats import Beats
from watcher.changes.lane import Gathered, Job, Lane
from watcher.changes.source import Source
from watcher.changes.taken import Taken
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.row_state import ShownStates
from watcher.model.stream import Partition
from watcher.model.table_pause import TablePause
from watcher.runtime import clock
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.metrics.catalogue import UNKNOWN, forget
from watcher.telemetry.metrics.changes import RECONCILE
from watcher.telemetry.neighbours import event_of
from watcher.telemetry.stream_state import StreamSigns, StreamState, stream_state

log = structlog.get_logger(__name__)

GAUGES_EVERY_SECONDS: Final = 1.0
"""Seconds between two looks at lag and stream states."""


class ChangeReport:
    """Turns what happened into metrics and logs.

    Args:
        metrics: the daemon's metrics.
        stalled_after: seconds without record or heartbeat until a stream counts as stalled.
        now: monotonic seconds.
        beats: which beats of the watcher's own came; None: none are written.
    """

    def __init__(
        self,
        metrics: Metrics,
        stalled_after: float,
        now: Callable[[], float] = clock.now,
        beats: Beats | None = None,
    ) -> None:
        self._beats = beats
        self._states: dict[str, StreamState] = {}
        self._held: Mapping[str, TablePause] = {}
        self._told_of_absence = False
        self._metrics = metrics.changes
        self._stalled_after, self._now = stalled_after, now
        self._started = time.time()
        self._heard: dict[str, float] = {}
        self._heartbeat: float | None = None
        self._gauged_at = 0.0
        self._showing: dict[str, int] = {}
        """Commit time of the first change that is about to be shown, in milliseconds since 1970, by table."""
        self._stalled: dict[str, float] = {}
        """Since when streams stand still of which that was told."""
        self._moved = True
        """Changes were applied or given up since what is in flight was told."""

    def turn(self, source: Source, lanes: Mapping[Partition, Lane]) -> None:
        """Set the gauges of what is in flight, if that changed, and once a second those of lag and stream states."""
        if self._moved:
            self.in_flight(lanes)
        if self._now() - self._gauged_at < GAUGES_EVERY_SECONDS:
            return
        self._gauged_at = self._now()
        metrics, wall = self._metrics, time.time()
        metrics.paused_partitions.set(source.paused)
        for partition, lane in lanes.items():
            high = source.high_water(partition)
            if high is not None:
                done = lane.progress.idle and source.at_end(partition)
                lag = 0 if done else max(0, high - lane.progress.durable)
                metrics.consumer_lag.labels(partition[0], str(partition[1])).set(lag)
        self._show_waiting(lanes.values(), wall)
        self._show_streams(wall, paused=source.paused > 0)

    def _show_waiting(self, lanes: Collection[Lane], wall: float) -> None:
        """Set the gauges of how long changes have waited for a sink: while none is written, no write tells it."""
        gathered = [some.oldest for lane in lanes for some in (lane.gathered, lane.writing)]
        for table in self._metrics.tables:
            waiting = {
                "clickhouse": min((some[table] for some in gathered if table in some), default=None),
                "redis": self._showing.get(table),
            }
            for sink, oldest in waiting.items():
                since = wall if oldest is None else oldest / 1000
                self._metrics.waiting_since_timestamp.labels(table, sink).set(since)

    def showing(self, taken: Taken) -> None:
        """Note that row states are about to be shown, which may take long."""
        self._showing = dict(taken.oldest)

    def _show_streams(self, wall: float, *, paused: bool) -> None:
        """Set the gauges of the streams' states; log when one is cut off, and when it comes again."""
        metrics, beats, before = self._metrics, self._beats, dict(self._states)
        last_beat = None if beats is None or beats.heard_at is None else wall - (self._now() - beats.heard_at)
        for table in metrics.tables:
            signs = StreamSigns(
                self._heard.get(table),
                self._heartbeat,
                last_beat,
                beats.overdue_for if beats else None,
                max(self._heard.values(), default=None),
                unpublished=beats is not None and table in beats.unpublished,
                paused=paused or table in self._held,
            )
            state = stream_state(signs, started=self._started, now=wall, stalled_after=self._stalled_after)
            metrics.show_stream_state(table, state)
            self._states[table] = state
            self._tell_stalled(table, state, wall)
        if beats is not None and beats.absent_for is not None and not self._told_of_absence:
            self._told_of_absence = True
            log.warning(
                "stream.without_beats",
                do="run debezium/postgres/replication.sql and `crucible connector apply`, and have the beats' topic "
                "in kafka.topics: without them a stream that is cut off looks like a quiet one",
            )
        if beats is not None and beats.last is not None:
            metrics.last_beat_timestamp.set(beats.last.written / 1000)
        cut, was_cut = ({t for t, s in of.items() if s is StreamState.CUT_OFF} for of in (self._states, before))
        if cut - was_cut:
            log.error(
                "stream.cut_off", tables=sorted(cut), last=str(beats.last) if beats else None,
                do="changes are passed over now: `crucible doctor`, then debezium/postgres/replication.sql",
            )  # fmt: skip
        if was_cut - cut:
            log.warning("stream.comes_again", tables=sorted(was_cut - cut))

    def held(self, tables: Mapping[str, TablePause]) -> None:
        """Log which tables a person has paused, and which go on."""
        before, self._held = self._held, tables
        for table in self._metrics.tables:
            since = tables[table].since.timestamp() if table in tables else 0
            self._metrics.table_paused_since_timestamp.labels(table).set(since)
        for table in sorted(tables.keys() - before.keys()):
            log.warning("table.paused", table=table, by=tables[table].by, reason=tables[table].reason)
        for table in sorted(before.keys() - tables.keys()):
            log.warning("table.resumed", table=table)

    def ping(self) -> str:
        """Return which streams a person has paused, in words, once it is plain that all others come.

        Raises:
            TemporaryError: one is cut off or stalled.
        """
        for state in (StreamState.CUT_OFF, StreamState.STALLED):
            tables = sorted(table for table, found in list(self._states.items()) if found is state)
            if tables:
                raise TemporaryError(f"{', '.join(tables)}: {state.value}; run `crucible doctor`")
        return "; ".join(f"{table}: {pause}" for table, pause in sorted(self._held.items()))

    def _tell_stalled(self, table: str, state: StreamState, wall: float) -> None:
        """Log once that a stream stands still, and once that it goes on."""
        if state is StreamState.STALLED:
            if table not in self._stalled:
                self._stalled[table] = wall
                log.warning("stream.stalled", table=table, after=self._stalled_after)
        elif since := self._stalled.pop(table, None):
            log.warning("stream.back", table=table, state=state.value, seconds=round(wall - since, 1))

    def taken(self, taken: Taken) -> None:
        """Count records that were taken, whose states are shown and whose dead letters are sent."""
        metrics, wall = self._metrics, time.time()
        for (table, op), count in taken.consumed.items():
            metrics.events_consumed.labels(metrics.table(table), op or UNKNOWN).inc(count)
        for (table, reason), count in taken.ignored.items():
            metrics.events_ignored.labels(metrics.table(table), reason).inc(count)
        for table, count in taken.repeated.items():
            metrics.identities_repeated.labels(table).inc(count)
        for letter in taken.dead_letters:
            metrics.dead_letters.labels(metrics.table(letter.table), letter.error.reason.value).inc()
            log.warning("dead_letter.sent", position=str(letter.position), reason=letter.error.reason.value)
        for table, newest in taken.newest.items():
            metrics.last_event_timestamp.labels(table).set(newest / 1000)
            self._heard[table] = wall
        if taken.heartbeat:
            self._heartbeat = wall
            metrics.last_heartbeat_timestamp.set(wall)

    def in_flight(self, lanes: Mapping[Partition, Lane]) -> None:
        """Set the gauges of what the lanes hold, counted in them: after a loss the counters would be wrong too."""
        self._moved = False
        changes: Counter[str] = Counter()
        for lane in lanes.values():
            for gathered in (lane.gathered, lane.writing):
                for (table, _), count in gathered.applied.items():
                    changes[table] += count
        for table in self._metrics.tables:
            self._metrics.events_in_flight.labels(table).set(changes[table])

    def shown(self, taken: Taken, shown: ShownStates, seconds: float) -> None:
        """Count row states that are in Redis now; their freshness is that of the poll's oldest change."""
        metrics = self._metrics
        self._showing = {}
        metrics.redis_rows.labels("applied").inc(shown.rows)
        metrics.redis_rows.labels("stale").inc(shown.stale)
        metrics.redis_rows.labels("absent").inc(shown.unshown)
        metrics.sink_rows.labels("redis").inc(shown.rows)
        metrics.sink_flush_duration.labels("redis").observe(seconds)
        for table, oldest in taken.oldest.items():
            metrics.freshness.labels(table, "redis").observe(max(0.0, time.time() - oldest / 1000))

    def written(self, job: Job, outcome: PlanOutcome, repeated: Collection[bytes] = ()) -> None:
        """Count a plan that is in ClickHouse, and its changes as applied; log it.

        Args:
            job: the plan with its rows.
            outcome: what writing it came to.
            repeated: identities of its changes that ClickHouse had before: they were delivered again.
        """
        metrics, seconds, rows = self._metrics, self._now() - job.named_at, len(job.gathered.rows)
        metrics.plans.labels(outcome.value).inc()
        metrics.plan_duration.observe(seconds)
        metrics.sink_flush_duration.labels("clickhouse").observe(seconds)
        metrics.sink_rows.labels("clickhouse").inc(rows)
        for table, oldest in job.gathered.oldest.items():
            metrics.freshness.labels(table, "clickhouse").observe(max(0.0, time.time() - oldest / 1000))
        for table, count in job.gathered.by_table(repeated).items():
            metrics.identities_repeated.labels(table).inc(count)
        self.applied(job.gathered)
        say = log.debug if outcome is PlanOutcome.WRITTEN else log.info
        say("plan.written", outcome=outcome.value, rows=rows, plan=job.plan.token, seconds=round(seconds, 3))

    def applied(self, gathered: Gathered) -> None:
        """Count changes that every sink has."""
        self._moved = True
        for (table, op), count in gathered.applied.items():
            self._metrics.events_applied.labels(table, op).inc(count)

    def given_up(self, gathered: Gathered) -> None:
        """Count changes whose partition went to another process before they were in a plan; it reads them again."""
        self._moved = True
        for (table, _), count in gathered.applied.items():
            self._metrics.events_ignored.labels(table, "given_up").inc(count)

    def waiting(self, rows: int) -> None:
        """Set the gauge of rows that wait in memory for ClickHouse."""
        self._metrics.sink_queue_rows.labels("clickhouse").set(rows)

    def away(self, neighbour: str, error: TemporaryError) -> None:
        """Count and log a call that a neighbour did not answer, and that is made again."""
        self._metrics.sink_errors.labels(neighbour).inc()
        log.warning(event_of(error), neighbour=neighbour, error=str(error))

    def commit_refused(self, partition: Partition, reason: str) -> None:
        """Count and log a commit that Kafka did not take: nothing was sent under its name, and it is made again."""
        self._metrics.offset_commit_errors.inc()
        log.warning("commit.refused", topic=partition[0], partition=partition[1], reason=reason)

    def needs(self, there: Collection[ReconcileNeeded]) -> None:
        """Set the gauges of the needs of a comparison that there are; those that a person has settled go."""
        for table in self._metrics.tables:
            for reason in RECONCILE:
                self._metrics.reconcile_needed.labels(table, reason).set(ReconcileNeeded(table, reason) in there)

    def reconcile(self, needed: ReconcileNeeded, found: Extent) -> None:
        """Log that only a comparison with PostgreSQL can tell a table's counts, and where that was found."""
        self._metrics.reconcile_needed.labels(needed.table, needed.reason).set(1)
        log.warning(
            "reconcile.needed", table=needed.table, reason=needed.reason, first=found.first, last=found.last,
            times=found.times,
        )  # fmt: skip

    def rebalanced(self, kind: str, partitions: list[Partition]) -> None:
        """Count and log which partitions the group gave or took."""
        self._metrics.rebalances.labels(kind).inc()
        for topic, number in partitions:
            if kind == "assigned":
                self._metrics.consumer_assigned.labels(topic, str(number)).set(1)
            else:
                self._metrics.consumer_assigned.labels(topic, str(number)).set(0)
                forget(self._metrics.consumer_lag, topic, str(number))
