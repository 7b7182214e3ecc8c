"""Every metric of the daemon, in one place: the catalogue, the dashboards and the tests read this and nothing else.

Conservation: summed over a table, ``consumed = applied + ignored + dead letters + in flight``. A record that is in none
of the four on the right would be a silent loss, so alert on the difference staying above zero.

Ages are never exported: a timestamp stays right when the process hangs, ``time() - x`` belongs in the rule.
"""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from watcher.model.change import Operation
from watcher.model.entry_verdict import EntryReason, VerdictState
from watcher.model.errors import Reason
from watcher.model.need_reason import NeedReason
from watcher.model.outbox import UNFINISHED, OutboxState
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.settlement import FINISHED, SettlementState
from watcher.model.visibility import Hidden
from watcher.telemetry.stream_state import StreamState

MetricT = TypeVar("MetricT", bound=MetricWrapperBase)
Values = tuple[str, ...]

UNKNOWN: Final = "unknown"
"""Label for a table or operation that is not ours: foreign names must not become label values without bound."""
OPERATIONS: Final = (*(operation.value for operation in Operation), UNKNOWN)
REASONS: Final = tuple(reason.value for reason in Reason)
STATES: Final = tuple(state.value for state in StreamState)
SINKS: Final = ("clickhouse", "redis")
NEIGHBOURS: Final = (*SINKS, "dead_letters", "kafka", "postgres", "registry")
"""All that the watcher waits for, however long it takes: whoever of them is away, reading stands still in the end."""
IGNORED: Final = ("operation", "tombstone", "heartbeat", "transaction", "given_up")
"""Why a record that was understood moved nothing: its table declares the operation ignored, it is no change, or its
partition went to another process, which reads it again, before it was in a plan."""
PLAN_OUTCOMES: Final = tuple(outcome.value for outcome in PlanOutcome)
REBALANCES: Final = ("assigned", "revoked", "lost")
RECONCILE: Final = tuple(reason.value for reason in NeedReason)
DRAIN_OUTCOMES: Final = tuple(outcome for outcome in PLAN_OUTCOMES if outcome != PlanOutcome.REPEATED)
VERDICTS: Final = ("same", "verified", "rebuilt", "busy", "finished", "unknown")
REDIS_OUTCOMES: Final = ("applied", "stale", "absent")

ENTRY_VERDICTS: Final = tuple(state.value for state in VerdictState)
ENTRY_REASONS: Final = tuple(reason.value for reason in EntryReason)
CHANNELS: Final = ("buzz", "notify")
"""Of the outbox."""
OUTBOX_STATES: Final = tuple(state.value for state in UNFINISHED)
OUTBOX_OUTCOMES: Final = tuple(state.value for state in OutboxState if state is not OutboxState.SENDING)

SETTLEMENT_STATES: Final = tuple(state.value for state in SettlementState if state not in FINISHED)
"""Of endings that are not over."""
SETTLEMENT_STEPS: Final = tuple(state.value for state in SettlementState if state is not SettlementState.DUE)

CONNECTOR_STATES: Final = ("running", "failed", "paused", "restarting", "unassigned")
"""Of a connector's tasks, in Kafka Connect's words."""

ADMISSIONS: Final = ("admitted", "moved", "removed", "refused")
HIDDEN: Final = ("", *(reason.value for reason in Hidden))

OPEN: Values = ()
"""Label values that only the broker knows, hence none at the start."""

FRESHNESS_BUCKETS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 1.5, 2, 5, 10, 30, 60, 300, 1800)
"""Seconds. The promises, 0.3 for Redis and 1.5 for ClickHouse, lie on edges, so that their share is exact."""
FLUSH_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds of one write. The last edge is ClickHouse's default timeout here: above it the outcome is unknown."""

REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
"""Seconds. The promise of a vote's 99th percentile, 0.025, lies on an edge."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the catalogue says of a metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class Metrics:
    """The daemon's metrics on a registry of their own; each attribute is a metric of ``prometheus_client``.

    Args:
        registry: where to register; a fresh one per daemon, so that two in a process do not meet.
        tables: source tables with handlers. Their label sets start at 0, so that ``rate()`` sees the first event.
        librdkafka: version of the Kafka client library, for ``crucible_build_info``.
    """

    def __init__(self, registry: CollectorRegistry, tables: Iterable[str] = (), librdkafka: str = UNKNOWN) -> None:
        self.registry = registry
        self.tables = tuple(sorted(tables))
        self.catalogue: list[Described] = []
        self._declare_events((*self.tables, UNKNOWN))
        self._declare_stream()
        self._declare_sinks()
        self._declare_admission()
        self._declare_entries()
        self._declare_settlements()
        self._declare_votes()
        self._declare_api()
        self._declare_process()
        for table in self.tables:
            self.show_stream_state(table, StreamState.IDLE)
        self.build_info.labels(version("crucible-watcher"), platform.python_version(), librdkafka).set(1)

    def table(self, name: str | None) -> str:
        """The label of a table: its name if it has handlers, else ``unknown``."""
        return name if name in self.tables else UNKNOWN

    def show_stream_state(self, table: str, state: StreamState) -> None:
        """Set the gauge of ``state`` to 1 and those of the table's other states to 0."""
        for each in StreamState:
            self.stream_state.labels(table, each.value).set(1 if each is state else 0)

    def _declare_events(self, tables: Values) -> None:
        self.events_consumed = self._counter("events_consumed", "Records read from Kafka.", table=tables, op=OPERATIONS)
        self.events_applied = self._counter(
            "events_applied", "Changes whose effects every sink has, or had before.", table=tables, op=OPERATIONS
        )
        self.events_ignored = self._counter(
            "events_ignored", "Records that move nothing, by design.", table=tables, reason=IGNORED
        )
        self.dead_letters = self._counter(
            "dlq_events", "Records sent to the dead-letter topic.", table=tables, reason=REASONS
        )
        self.events_in_flight = self._gauge(
            "events_in_flight", "Changes read that wait in memory for ClickHouse, or are being written.", table=tables
        )
        self.identities_repeated = self._counter(
            "identities_repeated", "Changes delivered again and recognised, hence not counted again.", table=self.tables
        )
        self.reconcile_needed = self._gauge(
            "reconcile_needed",
            "1 while only a comparison with PostgreSQL can tell the table's counts.",
            table=self.tables,
            reason=RECONCILE,
        )
        self.drift_rows = self._gauge(
            "drift_rows",
            "Rows whose counts are not what they count for, as last compared by turns or by `crucible reconcile`.",
            kind=OPEN,
            table=OPEN,
        )
        self.reconcile_last_run_timestamp = self._gauge(
            "reconcile_last_run_timestamp_seconds",
            "When a part of the rows was last compared by turns, by whichever process, Unix time; 0 where that is off.",
        )
        self.reconcile_errors = self._counter(
            "reconcile_errors", "Turns of the comparison, or their part of a table, that failed; they are made again."
        )
        self.reconcile_mended_rows = self._counter(
            "reconcile_mended_rows",
            "Rows whose counts were put right by turns (`reconcile.auto_fix`).",
            kind=OPEN,
            table=OPEN,
        )

    def _declare_stream(self) -> None:
        self.consumer_lag = self._gauge(
            "consumer_lag_messages",
            "Records not yet in every sink, of those that Kafka told of; it tells of no new ones while reading pauses.",
            topic=OPEN,
            partition=OPEN,
        )
        self.consumer_assigned = self._gauge(
            "consumer_assigned", "1 for a partition that this process reads.", topic=OPEN, partition=OPEN
        )
        self.freshness = self._histogram(
            "freshness_seconds",
            "From commit in PostgreSQL to visible in the sink.",
            FRESHNESS_BUCKETS,
            table=self.tables,
            sink=SINKS,
        )
        self.waiting_since_timestamp = self._gauge(
            "waiting_since_timestamp_seconds",
            "Commit time of the oldest change that was read and is not in the sink yet, Unix time; now if none waits.",
            table=self.tables,
            sink=SINKS,
        )
        self.last_event_timestamp = self._gauge(
            "last_event_timestamp_seconds", "Commit time of the newest change, Unix time.", table=self.tables
        )
        self.last_heartbeat_timestamp = self._gauge(
            "last_heartbeat_timestamp_seconds", "Time of Debezium's newest heartbeat, Unix time."
        )
        self.last_beat_timestamp = self._gauge(
            "last_beat_timestamp_seconds",
            "When the newest change was written that the watcher writes itself and that came back, Unix time.",
        )
        self.stream_state = self._gauge(
            "stream_state", "1 for the state that the stream is in.", table=self.tables, state=STATES
        )
        self.table_paused_since_timestamp = self._gauge(
            "table_paused_since_timestamp_seconds",
            "Since when a person has the table's changes wait in their topic, Unix time; 0: they do not.",
            table=self.tables,
        )
        self.offset_commit_errors = self._counter("offset_commit_errors", "Offset commits that Kafka refused.")
        self.rebalances = self._counter("rebalances", "Changes to the set of assigned partitions.", kind=REBALANCES)
        self.paused_partitions = self._gauge(
            "paused_partitions", "Partitions not read while a sink catches up or a neighbour is away."
        )

    def _declare_sinks(self) -> None:
        self.sink_flush_duration = self._histogram(
            "sink_flush_duration_seconds", "One write to the sink.", FLUSH_BUCKETS, sink=SINKS
        )
        self.sink_rows = self._counter("sink_rows", "Rows written.", sink=SINKS)
        self.sink_errors = self._counter(
            "sink_errors",
            "Calls to a sink, or to another neighbour, that failed or whose outcome is unknown; they are made again.",
            sink=NEIGHBOURS,
        )
        self.sink_queue_rows = self._gauge(
            "sink_queue_rows", "Rows in memory that wait for the sink.", sink=("clickhouse",)
        )
        self.plan_duration = self._histogram(
            "plan_duration_seconds", "From naming a plan to every row being in ClickHouse.", FLUSH_BUCKETS
        )
        self.plans = self._counter("plans", "Plans finished, by what it took.", outcome=PLAN_OUTCOMES)
        self.redis_rows = self._counter(
            "redis_rows",
            "Row states offered to Redis; stale: older than what it shows; absent: of a crucible it lacks.",
            outcome=REDIS_OUTCOMES,
        )

    def _declare_admission(self) -> None:
        self.admissions = self._counter(
            "admissions",
            "Entries that judges may see from now on, under another level, or no more; and new ones refused.",
            outcome=ADMISSIONS,
            reason=HIDDEN,
        )
        self.admission_sweep_duration = self._histogram(
            "admission_sweep_duration_seconds", "One look at every entry that takes part.", FLUSH_BUCKETS
        )
        self.admission_last_sweep_timestamp = self._gauge(
            "admission_last_sweep_timestamp_seconds", "When this process last looked at every entry, Unix time."
        )

    def _declare_entries(self) -> None:
        self.entry_verdicts = self._counter(
            "entry_verdicts", "Verdicts on entries that are another than before.", verdict=ENTRY_VERDICTS
        )
        self.entry_rejections = self._counter(
            "entry_rejections", "Reasons of entries that were rejected; one may have several.", reason=ENTRY_REASONS
        )
        self.entries_waiting = self._gauge("entries_waiting", "Entries that wait for a scan or a fee.")
        self.entries_waiting_since_timestamp = self._gauge(
            "entries_waiting_since_timestamp_seconds",
            "Since when the oldest entry waits that does, Unix time; now if none does.",
        )
        self.entry_errors = self._counter("entry_errors", "Looks at entries that failed and are made again.")
        self.checkpoint_rows = self._counter(
            "checkpoint_rows", "Scores of active crucibles' entries written into the site's table."
        )
        self.checkpoint_errors = self._counter(
            "checkpoint_errors", "Checkpoints of scores that failed because a neighbour was away; they are made again."
        )
        self.checkpoint_timestamp = self._gauge(
            "checkpoint_timestamp_seconds",
            "When every active crucible's scores were last written, Unix time; 0 where that is nobody's task.",
        )
        self.outbox_rows = self._gauge(
            "outbox_rows", "Rows of the outbox that are not done.", channel=CHANNELS, state=OUTBOX_STATES
        )
        self.outbox_oldest_timestamp = self._gauge(
            "outbox_oldest_timestamp_seconds",
            "When the oldest row was written that is not done, Unix time; now if there is none.",
            channel=CHANNELS,
        )
        self.outbox_attempts = self._counter(
            "outbox_attempts", "Attempts at rows of the outbox, by what they came to.", channel=CHANNELS,
            outcome=OUTBOX_OUTCOMES,
        )  # fmt: skip

    def _declare_settlements(self) -> None:
        self.settlements = self._gauge(
            "settlements",
            "Crucibles that are ending; due are those whose end has come and was not acted upon.",
            state=SETTLEMENT_STATES,
        )
        self.settlement_oldest_timestamp = self._gauge(
            "settlement_oldest_timestamp_seconds",
            "Since when the oldest of them is in its state, Unix time; now if none is.",
            state=SETTLEMENT_STATES,
        )
        self.settlement_steps = self._counter(
            "settlement_steps", "Endings that came to a state.", state=SETTLEMENT_STEPS
        )
        self.settlement_errors = self._counter(
            "settlement_errors", "Steps of endings that failed because a neighbour was away, and are made again."
        )

    def _declare_votes(self) -> None:
        self.votes_drained = self._counter("votes_drained", "Votes taken from Redis' logs to ClickHouse.")
        self.votes_drained_until_timestamp = self._gauge(
            "votes_drained_until_timestamp_seconds", "Votes cast before this are in ClickHouse, Unix time."
        )
        self.votes_drained_until_timestamp.set_to_current_time()  # 0 would be an age of fifty years until the first one
        self.drain_plans = self._counter("drain_plans", "Drain plans done, by what it took.", outcome=DRAIN_OUTCOMES)
        self.drain_plan_duration = self._histogram(
            "drain_plan_duration_seconds", "From naming a drain plan to its votes being trimmed.", FLUSH_BUCKETS
        )
        self.drain_errors = self._counter(
            "drain_errors", "Passes of the drain that failed because a neighbour was away; they are made again."
        )
        self.crucibles_unbalanced = self._gauge(
            "crucibles_unbalanced", "Crucibles of which ClickHouse has other votes than Redis has numbered."
        )
        self.crucibles_verified = self._counter(
            "crucibles_verified", "Comparisons of a crucible in Redis with the other stores.", verdict=VERDICTS
        )

    def _declare_api(self) -> None:
        self.http_requests = self._counter(
            "http_requests", "Requests answered by the API.", route=OPEN, method=OPEN, status=OPEN
        )
        self.http_request_duration = self._histogram(
            "http_request_duration_seconds",
            "From the request's head to the answer's; of a stream until it begins.",
            REQUEST_BUCKETS,
            route=OPEN,
        )
        self.votes = self._counter("votes", "Votes by what they came to: a code of the API, or ok.", outcome=OPEN)
        self.streams = self._gauge("streams", "Clients that follow standings.")
        self.redis_link_up = self._gauge(
            "redis_link_up", "1 while the API has this connection to Redis.", link=("votes", "reads")
        )
        self.redis_refusals = self._counter(
            "redis_refusals",
            "What Redis refused to the API: for want of a right, memory, its disk or replicas, or as no primary. "
            "Readiness asks too.",
            reason=("noperm", "oom", "readonly", "misconf", "noreplicas"),
        )

    def _declare_process(self) -> None:
        self.slot_active = self._gauge(
            "slot_active", "1 while somebody streams from the replication slot: a connector whose task runs.",
            slot=OPEN,
        )  # fmt: skip
        self.slot_retained = self._gauge(
            "slot_retained_bytes",
            "Bytes of PostgreSQL's log that are held until the slot's reader has them.",
            slot=OPEN,
        )
        self.connector_tasks = self._gauge(
            "connector_tasks",
            "Tasks of the connector in this state; a connector that has failed itself counts among the failed ones.",
            connector=OPEN,
            state=CONNECTOR_STATES,
        )
        self.connector_restarts = self._counter(
            "connector_task_restarts", "Restarts of what had failed that the watcher asked for.", connector=OPEN
        )
        self.connector_given_up = self._gauge(
            "connector_given_up",
            "1 while what has failed is not started once more, because it was too often within the hour.",
            connector=OPEN,
        )
        self.neighbour_up = self._gauge(
            "neighbour_up", "1 while the neighbour answers as `/readyz` tells, looked at every ten seconds.",
            neighbour=OPEN,
        )  # fmt: skip
        self.neighbour_refuses = self._gauge(
            "neighbour_refuses",
            "1 while the neighbour is there and refuses: a password, a name or a right has to be mended.",
            neighbour=OPEN,
        )
        self.loop_last_turn_timestamp = self._gauge(
            "loop_last_turn_timestamp_seconds",
            "When the process' loop last turned, Unix time: the consumer's, or the API's.",
        )
        self.loop_last_turn_timestamp.set_to_current_time()  # likewise: it waits for PostgreSQL before it turns
        self.build_info = self._gauge(
            "build_info", "1; its labels say what runs.", version=OPEN, python=OPEN, librdkafka=OPEN
        )

    def forget(self, gauge: Gauge, *labels: str) -> None:
        """Show a gauge no more for these labels, because this process does not know it any more."""
        if labels in gauge._metrics:  # noqa: SLF001 - no public way to ask
            gauge.remove(*labels)

    def _counter(self, name: str, text: str, **labels: Values) -> Counter:
        counter = Counter(f"crucible_{name}_total", text, tuple(labels), registry=self.registry)
        return self._add(counter, f"{name}_total", "counter", text, labels)

    def _gauge(self, name: str, text: str, **labels: Values) -> Gauge:
        gauge = Gauge(f"crucible_{name}", text, tuple(labels), registry=self.registry)
        return self._add(gauge, name, "gauge", text, labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], **labels: Values) -> Histogram:
        histogram = Histogram(f"crucible_{name}", text, tuple(labels), buckets=buckets, registry=self.registry)
        return self._add(histogram, name, "histogram", text, labels)

    def _add(self, metric: MetricT, name: str, kind: str, text: str, labels: dict[str, Values]) -> MetricT:
        """Note the metric in the catalogue and make every label set of its closed labels start at 0."""
        self.catalogue.append(Described(f"crucible_{name}", kind, tuple(labels), text))
        if labels:
            for values in product(*labels.values()):
                metric.labels(*values)
        return metric
