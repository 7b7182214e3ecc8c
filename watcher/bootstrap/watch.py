"""The watch role, put together."""

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final

import confluent_kafka
import structlog
from prometheus_client import CollectorRegistry

import clickhouse_sql
from config import Settings
from handlers import REGISTRY
from watcher.bootstrap.clients import connect_clickhouse, redis_client, registry_auth
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.visibility import admitting
from watcher.bootstrap.votes import Votes
from watcher.changes.ingest import Ingest
from watcher.changes.journal import Journal, insistently
from watcher.changes.limits import Limits
from watcher.changes.loop import ChangeLoop, Sinks
from watcher.changes.observer import Observer
from watcher.changes.report import ChangeReport
from watcher.changes.writer import Writer
from watcher.clickhouse.sink import ClickHouseSink
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.decode.registry import RegistryClient
from watcher.kafka.dead_letters import KafkaDeadLetters
from watcher.kafka.source import KafkaSource
from watcher.model.dead_letter import DeadLetterLimit
from watcher.model.stream import AssignmentListener
from watcher.postgres.own.journal import PostgresJournalStore
from watcher.redis.sink import RedisSink
from watcher.runtime.garbage_collector import calm_the_collector
from watcher.telemetry.health import Health
from watcher.telemetry.logs import set_up_logs
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.probes import ProbeServer

log = structlog.get_logger(__name__)

LEASE_SHARE: Final = 2 / 3
"""Part of the session timeout for which a commit proves that the partition is ours. The broker counts from our last
heartbeat, which may be a few seconds older than the commit; the rest is for those and for the insert's way."""

Beside = Callable[[Metrics, Health, Callable[[], None], Votes], AbstractContextManager[Callable[[], None]]]
"""What runs in the same process: entered before the first record is read, left after the last. Given are the process'
metrics and health, what ends the watch role, and what drains and keeps; it gives what a signal handler may call to have
it begin to end, so that both end at the same time and not one after the other."""


def _nothing() -> None:
    """Ends what is not there."""


def watch(settings: Settings, beside: Beside = lambda *_: nullcontext(_nothing)) -> None:
    """Run the watch role until SIGTERM or SIGINT.

    Args:
        settings: everything.
        beside: what runs in the same process.

    Raises:
        ConfigError: Kafka's client refuses its settings.
        StopError: going on would lose or double something; the message names the next command.
    """
    kafka_client(settings.kafka)  # before there is anything to end
    set_up_logs(settings.log.level, settings.log.format)
    metrics = Metrics(CollectorRegistry(), (table.name for table in REGISTRY), confluent_kafka.libversion()[0])
    health = Health(settings.ops.loop_deadline)
    with ExitStack() as stack:
        probes = stack.enter_context(ProbeServer(settings.ops.host, settings.ops.port, health, metrics.registry))
        log.info("probes.listening", port=probes.port)
        ended = _Ended()
        admission = stack.enter_context(admitting(settings, metrics, ended.failed))
        votes = Votes(settings, metrics, ended.failed)
        stack.callback(votes.close)
        stack.callback(admission.stop)  # before the others are waited for
        observers = [Observer(shown=admission.arrived), Observer(absent=votes.missed)]
        daemon = _daemon(settings, metrics, health, observers)
        ended.stop = daemon.stop
        if ended.error is not None:  # of a thread that was quicker
            daemon.stop()
        end_beside = stack.enter_context(beside(metrics, health, daemon.stop, votes))
        calm_the_collector()

        def end(*_: object) -> None:
            daemon.stop()
            end_beside()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        votes.drain()
        votes.keep()
        daemon.run([*settings.kafka.topics, *filter(None, [settings.kafka.heartbeat_topic])])
        ended.tell()


@dataclass(slots=True)
class _Ended:
    """Ends the watch role when a thread beside it has come to something that does not go away by itself."""

    stop: Callable[[], None] = lambda: None
    error: Exception | None = None

    def failed(self, error: Exception) -> None:
        """A thread has ended."""
        log.error("thread.failed", error=f"{type(error).__name__}: {error}")
        self.error = error
        self.stop()

    def tell(self) -> None:
        """Say so, once the role has ended in order."""
        if self.error is not None:
            raise self.error


def _daemon(settings: Settings, metrics: Metrics, health: Health, observers: Sequence[Observer]) -> ChangeLoop:
    """Put the parts together; waits for PostgreSQL, the only neighbour that is needed to begin."""
    report = ChangeReport(metrics, settings.ops.stalled_after)
    store = PostgresJournalStore(
        settings.postgres.dsn.get_secret_value(),
        settings.postgres.watcher_schema,
        settings.kafka.group,
        settings.postgres.timeout,
    )
    away = partial(report.away, "postgres")
    journal = insistently(partial(Journal.load, store, away, report.needs), away, health.turned)
    for needed in journal.reconcile:
        report.reconcile(needed)
    redis = RedisSink(redis_client(settings))
    registry = settings.registry
    avro = None
    if registry.url:
        avro = AvroReader(RegistryClient(registry.url, registry_auth(settings), registry.timeout))
    client = settings.kafka.client()
    kafka = settings.kafka

    def open_source(listener: AssignmentListener) -> KafkaSource:
        source = KafkaSource(client, kafka.membership(), listener, lambda text: log.warning("kafka", says=text))
        health.check("kafka", source.ping)
        return source

    health.check("redis", redis.ping)
    health.check("clickhouse", _sink(settings).ping)
    health.check("postgres", store.ping, critical=False)
    limit = settings.dead_letters
    return ChangeLoop(
        open_source=open_source,
        ingest=Ingest(REGISTRY, Decoder(REGISTRY, avro)),
        sinks=Sinks(
            states=redis,
            rows=Writer(_sink(settings), partial(report.away, "clickhouse")),
            dead_letters=KafkaDeadLetters(client, limit.topic, kafka.group),
        ),
        dead_letter_limit=DeadLetterLimit(limit.consecutive, limit.share, limit.window),
        journal=journal,
        report=report,
        limits=Limits(
            group=kafka.group,
            flush_interval=settings.batch.flush_interval,
            max_rows=settings.batch.max_rows,
            max_pending_rows=settings.batch.max_pending_rows,
            poll_records=settings.batch.poll_records,
            poll_timeout=settings.batch.poll_timeout,
            lease=kafka.session_timeout * LEASE_SHARE,
            shutdown_deadline=settings.run.shutdown_deadline,
        ),
        observers=[Observer(turned=health.turned), *observers],
    )


def _sink(settings: Settings) -> ClickHouseSink:
    """A sink with a connection of its own, made when it is first used."""
    return ClickHouseSink(partial(connect_clickhouse, settings), clickhouse_sql.queries())
