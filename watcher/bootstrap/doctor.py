"""The doctor's checks of every neighbour, each with the client that it needs."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial

import debezium
from config import Settings
from handlers import REGISTRY
from watcher.admin.connector.file import ConnectorFile, read_connector_file
from watcher.admin.connector.rest import Connect
from watcher.admin.doctor import clickhouse, connect, kafka, redis
from watcher.admin.doctor.examine import Check, examine
from watcher.admin.doctor.findings import Finding, explained
from watcher.admin.doctor.keys import keys
from watcher.admin.doctor.notifications import notifications
from watcher.admin.doctor.postgres.columns import columns
from watcher.admin.doctor.postgres.compared import compared
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.outbox import parked
from watcher.admin.doctor.postgres.own_schema import own_tables, paused
from watcher.admin.doctor.postgres.payments import payments
from watcher.admin.doctor.postgres.pooler import pooler
from watcher.admin.doctor.postgres.published import publication, tables
from watcher.admin.doctor.postgres.reader import reader
from watcher.admin.doctor.postgres.replays import replays
from watcher.admin.doctor.postgres.rights import debezium_rights, rights, role_of_connector
from watcher.admin.doctor.postgres.server import server, wal_level
from watcher.admin.doctor.postgres.settling import (
    endings,
    large_crucibles,
    ledger,
    opt_outs,
    results,
    settling,
)
from watcher.admin.doctor.postgres.signals import signals
from watcher.admin.doctor.postgres.slot import event_slot, heartbeat, slot
from watcher.admin.doctor.registry import registry
from watcher.api.identity.jwks import KeySet
from watcher.bootstrap.clients import connect_clickhouse_as_it_is, deployment, notification_client, registry_auth
from watcher.bootstrap.kafka_client import kafka_client
from watcher.decode.registry import RegistryClient
from watcher.kafka.admin import KafkaAdmin
from watcher.model.errors import WatcherError
from watcher.model.need_reason import NeedReason
from watcher.notify.http import HttpNotifier
from watcher.postgres.own import beat, dead_letters, reconcile_needed
from watcher.postgres.own.event_slot import EVENT_SLOT
from watcher.postgres.session import Session, open_session
from watcher.redis.nodes import RedisNode, open_nodes


def examine_everything(settings: Settings, connector: ConnectorFile) -> Iterator[Finding]:
    """Yield what is found of every link, in the order in which a change passes it, and last what only follows from it.

    Nothing is changed.

    Args:
        settings: where the neighbours are.
        connector: the connector that should run.
    """
    with ExitStack() as opened:
        neighbours = (
            _postgres(settings, connector, opened),
            _reader(settings, opened),
            _settle(settings, opened),
            _notifications(settings),
            _connect(settings, connector),
            _kafka(settings),
            _registry(settings),
            _clickhouse(settings, opened),
            _redis(settings),
            _keys(settings),
        )
        yield from explained(finding for findings in neighbours for finding in findings)


def _postgres(settings: Settings, connector: ConnectorFile, opened: ExitStack) -> Iterator[Finding]:
    at = settings.postgres
    watched = REGISTRY.with_watcher_schema(at.watcher_schema)
    names = SourceNames(
        tables=tuple(table.qualified for table in watched),
        slot=connector.config.get("slot.name", "debezium"),
        publication=connector.config.get("publication.name", "dbz_publication"),
    )

    def open_postgres() -> Session:
        return opened.enter_context(open_session(at.dsn.get_secret_value(), at.watcher_schema, at.timeout))

    yield from examine(
        "postgres",
        open_postgres,
        (
            server,
            pooler,
            wal_level,
            partial(tables, names=names),
            partial(publication, names=names),
            partial(columns, names=names, rows={table.qualified: table.row for table in watched}),
            partial(slot, names=names),
            heartbeat,
            partial(event_slot, slot_name=EVENT_SLOT),
            partial(rights, names=names),
            partial(debezium_rights, names=names, role=role_of_connector(connector.config, os.environ)),
            partial(signals, names=names),
            own_tables,
            partial(paused, group=settings.kafka.group),
            partial(compared, tables=[table.name for table in watched]),
            replays,
            parked,
            payments,
        ),
        "check postgres.dsn, and that the server is up",
    )


def _reader(settings: Settings, opened: ExitStack) -> Iterator[Finding]:
    """Look at the replica that comparisons read, where one is named."""
    at, dsn = settings.postgres, settings.postgres.reader_dsn
    if dsn is not None:
        yield from examine(
            "reader",
            lambda: opened.enter_context(open_session(dsn.get_secret_value(), at.watcher_schema, at.timeout)),
            (partial(pooler, neighbour="reader"), reader),
            "check postgres.reader_dsn, and that the replica is up",
        )


def _settle(settings: Settings, opened: ExitStack) -> Iterator[Finding]:
    """Look as the role that moves money, where this process has been told of it."""
    dsn = settings.settle.dsn
    if dsn is None:
        return
    at = settings.postgres
    ending = [results, large_crucibles, endings] if settings.settlement.mode == "on" else []
    books = [partial(ledger, schema=settings.buzz.ledger_schema)] if settings.buzz.books == "ledger" else []
    yield from examine(
        "settle",
        lambda: opened.enter_context(open_session(dsn.get_secret_value(), at.watcher_schema, at.timeout)),
        (partial(pooler, neighbour="settle"), settling, *ending, opt_outs, *books),
        "check settle.dsn, and that debezium/postgres/settle.sql was run and its role has a password",
    )


def _notifications(settings: Settings) -> Iterator[Finding]:
    """Look at the notification service, where this process has been told of it."""
    if settings.notify.url is not None:
        yield from examine(
            "notify",
            lambda: HttpNotifier(notification_client(settings)),
            (notifications,),
            "check notify.url and notify.token, and that the service is up; notices wait meanwhile",
        )


def _connect(settings: Settings, connector: ConnectorFile) -> Iterator[Finding]:
    def open_connect() -> Connect:
        worker = Connect(settings.connect.url, settings.connect.timeout)
        worker.status(connector.name)
        return worker

    def end_of_log() -> int:
        at = settings.postgres
        with open_session(at.dsn.get_secret_value(), at.watcher_schema, at.timeout) as session:
            return beat.end_of_log(session)

    yield from examine(
        "connect",
        open_connect,
        (
            partial(connect.plugin, file=connector),
            partial(connect.tasks, file=connector),
            partial(connect.settings, file=connector),
            partial(connect.signals, file=connector),
            partial(connect.guards, file=connector),
            partial(
                connect.position, file=connector, end_of_log=end_of_log, events=read_connector_file(debezium.EVENTS)
            ),
        ),
        "check connect.url, and that a worker is up; with Debezium Server instead there is nothing to check here",
        because=connect.CAUSES,  # it asks the database, and keeps its own state in Kafka
    )


def _kafka(settings: Settings) -> Iterator[Finding]:
    at = settings.kafka

    def open_admin() -> KafkaAdmin:
        admin = KafkaAdmin(kafka_client(at))
        admin.topics()
        return admin

    yield from examine(
        "kafka",
        open_admin,
        (
            kafka.cluster,
            partial(kafka.topics, wanted=at.topics, heartbeat=at.heartbeat_topic),
            partial(kafka.registered, wanted=at.topics, tables={table.name: table.topic for table in REGISTRY}),
            partial(kafka.group, name=at.group, wanted=at.topics),
            kafka.offset_metadata,
            partial(
                kafka.dead_letters,
                topic=settings.dead_letters.topic,
                group=at.group,
                done=partial(_done_letters, settings),
                refused=partial(_refused_changes, settings),
            ),
        ),
        "check kafka.bootstrap_servers and the security settings, and that a broker is up",
    )


def _done_letters(settings: Settings, topic_id: str, partition: int, offset: int) -> int:
    """Return how many letters are done from an offset on; none where PostgreSQL does not say, as its own lines tell."""
    at = settings.postgres
    try:
        with open_session(at.dsn.get_secret_value(), at.watcher_schema, at.timeout) as session:
            return dead_letters.done_from(session, topic_id, partition, offset)
    except WatcherError:
        return 0


def _refused_changes(settings: Settings) -> dict[str, int]:
    """Return how many refused changes are still to be seen to, by table; none where PostgreSQL does not say."""
    at = settings.postgres
    try:
        with open_session(at.dsn.get_secret_value(), at.watcher_schema, at.timeout) as session:
            found = reconcile_needed.needs(session)
    except WatcherError:
        return {}
    return {one.source_table: one.found.times for one in found if one.reason == NeedReason.DEAD_LETTER}


def _registry(settings: Settings) -> Iterator[Finding]:
    at = settings.registry
    if at.url is None:
        return
    client = RegistryClient(at.url, registry_auth(settings), at.timeout)
    yield from examine(
        "registry",
        lambda: client,
        (registry,),
        "check registry.url, and that the registry is up: records in Avro wait meanwhile, and what comes after them",
    )


def _clickhouse(settings: Settings, opened: ExitStack) -> Iterator[Finding]:
    made_for = deployment(settings)
    yield from examine(
        "clickhouse",
        lambda: opened.enter_context(closing(connect_clickhouse_as_it_is(settings))),
        (
            clickhouse.server,
            partial(clickhouse.migrations, deployment=made_for),
            clickhouse.columns,
            clickhouse.settings,
            partial(clickhouse.windows, deployment=made_for),
            partial(clickhouse.block_size, max_rows=settings.batch.max_rows),
            clickhouse.rights,
        ),
        "check clickhouse.host, port, username and password, and that the server is up",
    )


def _redis(settings: Settings) -> Iterator[Finding]:
    at = settings.redis
    nodes: list[RedisNode] = []
    yield from examine(
        "redis",
        lambda: nodes.extend(open_nodes(at.url.get_secret_value(), cluster=at.cluster, timeout=at.timeout)),
        (),
        "check redis.url, and that the server is up",
    )
    checks = redis.CHECKS if at.cluster else (redis.alone, *redis.CHECKS)
    for node in nodes:
        yield from _redis_node(node, checks)


def _keys(settings: Settings) -> Iterator[Finding]:
    """Look at the keys of tokens, where this process has been told of any."""
    source = settings.api.jwks
    if source is not None:
        yield from examine(
            "api.jwks",
            lambda: asyncio.run(KeySet(source, settings.postgres.timeout).look()),
            (keys,),
            "check api.jwks, and that whoever serves it is up: requests with such tokens are answered 503 otherwise",
        )


def _redis_node(node: RedisNode, checks: Sequence[Check[RedisNode]]) -> Iterator[Finding]:
    yield from examine("redis", lambda: node, checks, "see redis.url")
