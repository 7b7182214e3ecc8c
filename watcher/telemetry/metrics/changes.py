"""What the watch role counts of changes: read, refused, waiting, shown in Redis and written to ClickHouse."""

from typing import Final

from watcher.model.change import Operation
from watcher.model.errors import Reason
from watcher.model.need_reason import NeedReason
from watcher.model.plan_outcome import PlanOutcome
from watcher.telemetry.metrics.catalogue import FLUSH_BUCKETS, OPEN, UNKNOWN, Catalogue, Values
from watcher.telemetry.stream_state import StreamState

SINKS: Final = ("clickhouse", "redis")
NEIGHBOURS: Final = (*SINKS, "dead_letters", "kafka", "postgres", "registry")
"""All that the watcher waits for, however long it takes: whoever of them is away, reading stands still in the end."""
IGNORED: Final = ("operation", "tombstone", "heartbeat", "transaction", "given_up")
"""Why a record that was understood moved nothing: its table declares the operation ignored, it is no change, or its
partition went to another process, which reads it again, before it was in a plan."""
OPERATIONS: Final = (*(operation.value for operation in Operation), UNKNOWN)
REASONS: Final = tuple(reason.value for reason in Reason)
STATES: Final = tuple(state.value for state in StreamState)
PLAN_OUTCOMES: Final = tuple(outcome.value for outcome in PlanOutcome)
REBALANCES: Final = ("assigned", "revoked", "lost")
RECONCILE: Final = tuple(reason.value for reason in NeedReason)
REDIS_OUTCOMES: Final = ("applied", "stale", "absent")
FRESHNESS_BUCKETS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 1.5, 2, 5, 10, 30, 60, 300, 1800)
"""Seconds. The promises, 0.3 for Redis and 1.5 for ClickHouse, lie on edges, so that their share is exact."""


class ChangeMetrics:
    """Changes, from Kafka to the sinks; each attribute is a metric of ``prometheus_client``.

    Args:
        declare: makes metrics.
        tables: source tables with handlers.
    """

    def __init__(self, declare: Catalogue, tables: Values) -> None:
        self.tables = tables
        known_or_not = (*tables, UNKNOWN)
        self.events_consumed = declare.counter(
            "events_consumed", "Records read from Kafka.", table=known_or_not, op=OPERATIONS
        )
        self.events_applied = declare.counter(
            "events_applied", "Changes whose effects every sink has, or had before.", table=known_or_not, op=OPERATIONS
        )
        self.events_ignored = declare.counter(
            "events_ignored", "Records that move nothing, by design.", table=known_or_not, reason=IGNORED
        )
        self.dead_letters = declare.counter(
            "dlq_events", "Records sent to the dead-letter topic.", table=known_or_not, reason=REASONS
        )
        self.events_in_flight = declare.gauge(
            "events_in_flight",
            "Changes read that wait in memory for ClickHouse, or are being written.",
            table=known_or_not,
        )
        self.identities_repeated = declare.counter(
            "identities_repeated", "Changes delivered again and recognised, hence not counted again.", table=tables
        )
        self.reconcile_needed = declare.gauge(
            "reconcile_needed",
            "1 while only a comparison with PostgreSQL can tell the table's counts.",
            table=tables,
            reason=RECONCILE,
        )
        self.consumer_lag = declare.gauge(
            "consumer_lag_messages",
            "Records not yet in every sink, of those that Kafka told of; it tells of no new ones while reading pauses.",
            topic=OPEN,
            partition=OPEN,
        )
        self.consumer_assigned = declare.gauge(
            "consumer_assigned", "1 for a partition that this process reads.", topic=OPEN, partition=OPEN
        )
        self.freshness = declare.histogram(
            "freshness_seconds",
            "From commit in PostgreSQL to visible in the sink.",
            FRESHNESS_BUCKETS,
            table=tables,
            sink=SINKS,
        )
        self.waiting_since_timestamp = declare.gauge(
            "waiting_since_timestamp_seconds",
            "Commit time of the oldest change that was read and is not in the sink yet, Unix time; now if none waits.",
            table=tables,
            sink=SINKS,
        )
        self.last_event_timestamp = declare.gauge(
            "last_event_timestamp_seconds", "Commit time of the newest change, Unix time.", table=tables
        )
        self.last_heartbeat_timestamp = declare.gauge(
            "last_heartbeat_timestamp_seconds", "Time of Debezium's newest heartbeat, Unix time."
        )
        self.last_beat_timestamp = declare.gauge(
            "last_beat_timestamp_seconds",
            "When the newest change was written that the watcher writes itself and that came back, Unix time.",
        )
        self.stream_state = declare.gauge(
            "stream_state", "1 for the state that the stream is in.", table=tables, state=STATES
        )
        self.table_paused_since_timestamp = declare.gauge(
            "table_paused_since_timestamp_seconds",
            "Since when a person has the table's changes wait in their topic, Unix time; 0: they do not.",
            table=tables,
        )
        self.offset_commit_errors = declare.counter("offset_commit_errors", "Offset commits that Kafka refused.")
        self.rebalances = declare.counter("rebalances", "Changes to the set of assigned partitions.", kind=REBALANCES)
        self.paused_partitions = declare.gauge(
            "paused_partitions", "Partitions not read while a sink catches up or a neighbour is away."
        )
        self.sink_flush_duration = declare.histogram(
            "sink_flush_duration_seconds", "One write to the sink.", FLUSH_BUCKETS, sink=SINKS
        )
        self.sink_rows = declare.counter("sink_rows", "Rows written.", sink=SINKS)
        self.sink_errors = declare.counter(
            "sink_errors",
            "Calls to a sink, or to another neighbour, that failed or whose outcome is unknown; they are made again.",
            sink=NEIGHBOURS,
        )
        self.sink_queue_rows = declare.gauge(
            "sink_queue_rows", "Rows in memory that wait for the sink.", sink=("clickhouse",)
        )
        self.plan_duration = declare.histogram(
            "plan_duration_seconds", "From naming a plan to every row being in ClickHouse.", FLUSH_BUCKETS
        )
        self.plans = declare.counter("plans", "Plans finished, by what it took.", outcome=PLAN_OUTCOMES)
        self.redis_rows = declare.counter(
            "redis_rows",
            "Row states offered to Redis; stale: older than what it shows; absent: of a crucible it lacks.",
            outcome=REDIS_OUTCOMES,
        )
        for table in tables:
            self.show_stream_state(table, StreamState.IDLE)

    def table(self, name: str | None) -> str:
        """Return the label of a table: its name if it has handlers, else ``unknown``."""
        return name if name in self.tables else UNKNOWN

    def show_stream_state(self, table: str, state: StreamState) -> None:
        """Set the gauge of ``state`` to 1 and those of the table's other states to 0."""
        for each in StreamState:
            self.stream_state.labels(table, each.value).set(1 if each is state else 0)
