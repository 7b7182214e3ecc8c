"""The watch role, put together."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog
from prometheus_client import CollectorRegistry

from config import Settings
from handlers import REGISTRY
from watcher.bootstrap.clients import connect_clickhouse, redis_client, registry_auth, site_session
from watcher.bootstrap.connectors import keep_connectors_running
from watcher.bootstrap.entries import compose_entries
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.neighbours import STREAM, look_at_neighbours
from watcher.bootstrap.process import running
from watcher.bootstrap.rolling import start_comparing
from watcher.bootstrap.slots import LookAtSlots
from watcher.bootstrap.verification import Verification, compose_verification
from watcher.bootstrap.visibility import compose_admission
from watcher.bootstrap.votes import VoteTasks
from watcher.changes.beats import Beats
from watcher.changes.ingest import Ingest
from watcher.changes.journal import Journal
from watcher.changes.key_changes import KeyChanges
from watcher.changes.limits import Limits
from watcher.changes.loop import ChangeLoop, Sinks
from watcher.changes.observer import Observer
from watcher.changes.report import ChangeReport
from watcher.changes.writer import Writer
from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder
from watcher.decode.registry import RegistryClient
from watcher.events.forget import ForgetEvents
from watcher.kafka.dead_letters import KafkaDeadLetters
from watcher.kafka.librdkafka import librdkafka_version
from watcher.kafka.source import KafkaSource
from watcher.model.beat import BEAT_TABLE
from watcher.model.dead_letter import DeadLetterLimit
from watcher.model.errors import TemporaryError
from watcher.model.stream import AssignmentListener
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own.journal import PostgresJournalStore
from watcher.postgres.site.readable import try_reading
from watcher.reconcile.daemon.marks import CompareMarks
from watcher.reconcile.repairs.after_repairs import AfterRepairs
from watcher.redis.beat_marks import RedisBeatMarks
from watcher.redis.sink import RedisSink
from watcher.runtime.garbage_collector import calm_the_collector
from watcher.runtime.retry import Retry, retry, unfit
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Worker
from watcher.telemetry.health import Health
from watcher.telemetry.metrics import Metrics
from watcher.votes.report import VoteReport

log = structlog.get_logger(__name__)
T = TypeVar("T")

LEASE_SHARE: Final = 2 / 3
"""Part of the session timeout for which a commit proves that the partition is ours. The broker counts from our last
heartbeat, which may be a few seconds older than the commit; the rest is for those and for the insert's way."""

AT_THE_START: Final = Retry(1.0, 1.0, give_up=unfit)
"""Waits between attempts to reach a neighbour. Longer: a later start; shorter: it is hammered as it starts."""

Beside = Callable[[Metrics, Health, Shutdown, Verification], None]
"""Starts what else runs in the process, given its metrics and health, what ends it in order, and the verifier."""


def _nothing(*_: object) -> None:
    """Start nothing beside the watch role."""


def watch(settings: Settings, beside: Beside = _nothing) -> None:
    """Run the watch role until SIGTERM or SIGINT.

    Args:
        settings: everything.
        beside: starts what runs in the same process.

    Raises:
        ConfigError: Kafka's client refuses its settings.
        StopError: going on would lose or double something; the message names the next command.
        UnfitError: PostgreSQL or ClickHouse is not as it has to be at the start; the message names the next command.
    """
    kafka_client(settings.kafka)  # before there is anything to end
    metrics = Metrics(CollectorRegistry(), (table.name for table in REGISTRY), librdkafka_version())
    with running(settings, metrics) as (health, shutdown):
        report = VoteReport(metrics.votes)
        verification = compose_verification(settings, report)
        shutdown.on_end(verification.close)
        votes = VoteTasks(settings, report, verification)
        shutdown.on_end(votes.close)
        admission = compose_admission(settings, metrics)
        shutdown.run(Worker("admission", admission, shutdown.fail))
        entries = compose_entries(settings, metrics, admission)
        shutdown.run(Worker("entries", entries, shutdown.fail))
        forget = ForgetEvents(partial(site_session, settings), settings.events.keep_days)
        shutdown.run(Worker("events", forget, shutdown.fail))
        start_comparing(settings, metrics, shutdown)
        shutdown.run(Worker("marks", _marks(settings), shutdown.fail))
        beats = _beats(settings, shutdown)
        changes = ChangeReport(metrics, settings.ops.stalled_after, beats=beats)
        store = _store(settings)
        looks = KeptSession(partial(site_session, settings))
        health.check("postgres", looks.ping, critical=False)
        health.check("postgres.site", partial(_read_site, looks), critical=False)
        shutdown.run(Worker("slots", LookAtSlots(looks, metrics.connector), shutdown.fail))
        if settings.connect.looked_after:
            shutdown.run(Worker("connectors", keep_connectors_running(settings, metrics), shutdown.fail))
        look_at_neighbours(health, metrics, shutdown)
        journal = _journal(store, changes, beats, health, shutdown)
        if journal is None:
            return
        shutdown.run(Worker("journal", journal, shutdown.fail), until_finished=True)
        redis = RedisSink(redis_client(settings))
        clickhouse = ClickHouseReads(partial(connect_clickhouse, settings), queries())
        shutdown.on_end(redis.close)
        # Whether they would take what is written, not only whether they answer: else changes wait, and all looks well.
        health.check("redis", redis.try_writing)
        health.check("clickhouse", clickhouse.try_writing)
        # Beside the API it is shown alone: votes go on whatever comes of the streams.
        health.check(STREAM, changes.ping, critical=beside is _nothing)
        daemon = _daemon(
            settings,
            redis,
            report=changes,
            health=health,
            journal=journal,
            beats=beats,
            observers=[
                Observer(shown=admission.arrived),
                Observer(shown=entries.shown),
                Observer(absent=votes.rounds.missed, emptied=votes.rounds.emptied),
            ],
            shutdown=shutdown,
        )
        beside(metrics, health, shutdown, verification)
        calm_the_collector()
        shutdown.run(Worker("drain", votes.drainer, shutdown.fail))
        shutdown.run(Worker("verifier", votes.rounds, shutdown.fail))
        for name, try_writing in (("redis", redis.try_writing), ("clickhouse", clickhouse.try_writing)):
            # Partitions are for whoever can do something with them: another replica may have them, and do.
            if not _await_neighbour(name, try_writing, changes, health, shutdown):
                return
        health.started()
        daemon.run([*settings.kafka.topics, *filter(None, [settings.kafka.heartbeat_topic])])


def _daemon(
    settings: Settings,
    redis: RedisSink,
    *,
    report: ChangeReport,
    health: Health,
    journal: Journal,
    beats: Beats,
    observers: Sequence[Observer],
    shutdown: Shutdown,
) -> ChangeLoop:
    """Put the change stream's parts together."""
    for needed, found in journal.reconcile.items():
        report.reconcile(needed, found)
    tables = REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)
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

    connect = partial(connect_clickhouse, settings)
    limit = settings.dead_letters
    rows = AfterRepairs(PlannedInsert(CHANGES, ClickHouseLink(connect), queries()), partial(site_session, settings))
    writer = Writer(rows, partial(report.away, "clickhouse"))
    shutdown.run(Worker("writer", writer, shutdown.fail), until_finished=True)
    key_changes = KeyChanges(PlannedInsert(CHANGES, ClickHouseLink(connect), queries()))
    shutdown.run(Worker("key-changes", key_changes, shutdown.fail))
    dead_letters = KafkaDeadLetters(client, limit.topic, kafka.group)
    shutdown.on_end(dead_letters.close)
    return ChangeLoop(
        open_source=open_source,
        ingest=Ingest(tables, Decoder(tables, avro, kafka.heartbeat_topic)),
        sinks=Sinks(
            states=redis,
            rows=writer,
            dead_letters=dead_letters,
            dead_letter_limit=DeadLetterLimit(limit.consecutive, limit.share, limit.window),
        ),
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
        ),
        shutdown=shutdown,
        observers=[Observer(turned=health.turned), *observers],
        checks=[beats, key_changes],
    )


def _store(settings: Settings) -> PostgresJournalStore:
    postgres = settings.postgres
    tables = REGISTRY.with_watcher_schema(postgres.watcher_schema)
    return PostgresJournalStore(
        postgres.dsn.get_secret_value(),
        postgres.watcher_schema,
        settings.kafka.group,
        postgres.timeout,
        tuple(table.qualified for table in tables if table.name != BEAT_TABLE),
    )


def _marks(settings: Settings) -> CompareMarks:
    return CompareMarks(
        partial(site_session, settings),
        ClickHouseLink(partial(connect_clickhouse, settings)),
        watcher=settings.postgres.watcher_schema,
        tables=[table.name for table in REGISTRY if table.name != BEAT_TABLE],
    )


def _beats(settings: Settings, shutdown: Shutdown) -> Beats:
    """Return who follows the beats, with a connection to Redis for each of the two threads that do."""

    def marks() -> RedisBeatMarks:
        made = RedisBeatMarks(redis_client(settings), settings.postgres.watcher_schema, settings.kafka.group)
        shutdown.on_end(made.close)
        return made

    return Beats(marks(), marks(), (table.name for table in REGISTRY if table.name != BEAT_TABLE))


def _read_site(looks: KeptSession) -> None:
    """See that the site's tables may be read, which entries, visibility and comparisons need."""
    with looks.kept() as session:
        try_reading(session)


def _journal(
    store: PostgresJournalStore, report: ChangeReport, beats: Beats, health: Health, shutdown: Shutdown
) -> Journal | None:
    """Read the journal, without which nothing can begin, however long PostgreSQL takes; None if we are to end first."""
    load = partial(Journal.load, store, partial(report.away, "postgres"), report.needs, beats)
    return _at_the_start("postgres", load, report, health, shutdown)


def _await_neighbour(
    name: str, attempt: Callable[[], None], report: ChangeReport, health: Health, shutdown: Shutdown
) -> bool:
    """Return True once a neighbour does what is needed of it, and False if we are to end first."""

    def done() -> bool:
        attempt()
        return True

    return _at_the_start(name, done, report, health, shutdown) or False


def _at_the_start(
    name: str, action: Callable[[], T], report: ChangeReport, health: Health, shutdown: Shutdown
) -> T | None:
    """Return what an action comes to without which nothing can begin, trying until it succeeds.

    None if we are to end first.
    """

    def away(error: TemporaryError) -> None:
        report.away(name, error)
        health.awaits(name, error)
        health.turned()

    try:
        return retry(action, AT_THE_START, shutdown.pause, away)
    except TemporaryError:
        if shutdown.begun:
            return None
        raise
