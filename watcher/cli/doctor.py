"""``crucible doctor``: does every link hold, and if not, what is to be done?"""

from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import debezium
from watcher.cli.exits import FAILED
from watcher.cli.output import AsJson, note, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config import Settings
    from watcher.admin.connector.file import ConnectorFile
    from watcher.admin.doctor.findings import Finding

app = typer.Typer()

MARKS = {"ok": ("ok  ", typer.colors.GREEN), "warn": ("warn", typer.colors.YELLOW), "fail": ("FAIL", typer.colors.RED)}


@app.command()
def doctor(
    file: Annotated[
        Path,
        typer.Option("--file", "-f", help="Connector file that should run.", show_default="debezium/connector.json"),
    ] = debezium.CONNECTOR,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what is not as it should be.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every link from PostgreSQL to the sinks and say what to do for each fault; exit 1 if something fails.

    Nothing is changed. Warnings do not fail: they say what will go wrong, or could be safer.

    Examples:

      crucible doctor

      crucible doctor --quiet

      crucible doctor --json | jq -r '.[] | select(.level == "fail") | .advice'
    """
    import config  # noqa: PLC0415
    from watcher.admin.connector import file as connector_file  # noqa: PLC0415
    from watcher.admin.doctor.findings import Level  # noqa: PLC0415

    settings, connector = config.load(), connector_file.read(file)
    found = []
    with ExitStack() as opened:
        for finding in _findings(settings, connector, opened):
            found.append(finding)
            if not as_json and not (quiet and finding.level is Level.OK):
                _tell(finding)
    if as_json:
        print_json(found)
    else:
        counts = {level: sum(finding.level is level for finding in found) for level in Level}
        note(f"{counts[Level.OK]} ok, {counts[Level.WARN]} warnings, {counts[Level.FAIL]} failures")
    if any(finding.level is Level.FAIL for finding in found):
        raise typer.Exit(FAILED)


def _tell(finding: "Finding") -> None:
    mark, colour = MARKS[finding.level.value]
    typer.echo(f"{typer.style(mark, fg=colour)}  {finding.name}: {finding.found}")
    if finding.advice:
        typer.echo(f"      -> {finding.advice}")


def _findings(settings: "Settings", connector: "ConnectorFile", opened: ExitStack) -> "Iterator[Finding]":
    """Every link, in the order in which a change passes it."""
    yield from _postgres(settings, connector, opened)
    yield from _connect(settings, connector)
    yield from _kafka(settings)
    yield from _registry(settings)
    yield from _clickhouse(settings, opened)
    yield from _redis(settings)


def _postgres(settings: "Settings", connector: "ConnectorFile", opened: ExitStack) -> "Iterator[Finding]":
    from handlers import REGISTRY  # noqa: PLC0415
    from watcher.admin.doctor.findings import examine  # noqa: PLC0415
    from watcher.admin.doctor.postgres.names import SourceNames  # noqa: PLC0415
    from watcher.admin.doctor.postgres.own_schema import own_tables  # noqa: PLC0415
    from watcher.admin.doctor.postgres.published import publication, tables  # noqa: PLC0415
    from watcher.admin.doctor.postgres.rights import rights  # noqa: PLC0415
    from watcher.admin.doctor.postgres.server import server, wal_level  # noqa: PLC0415
    from watcher.admin.doctor.postgres.slot import heartbeat, slot  # noqa: PLC0415
    from watcher.postgres.session import open_session  # noqa: PLC0415

    postgres = settings.postgres
    names = SourceNames(
        tables=tuple(table.qualified for table in REGISTRY.with_watcher_schema(postgres.watcher_schema)),
        slot=connector.config.get("slot.name", "debezium"),
        publication=connector.config.get("publication.name", "dbz_publication"),
    )
    yield from examine(
        "postgres",
        lambda: opened.enter_context(
            open_session(postgres.dsn.get_secret_value(), postgres.watcher_schema, postgres.timeout)
        ),
        (
            server,
            wal_level,
            partial(tables, names=names),
            partial(publication, names=names),
            partial(slot, names=names),
            heartbeat,
            partial(rights, names=names),
            own_tables,
        ),
        "check postgres.dsn, and that the server is up",
    )


def _connect(settings: "Settings", connector: "ConnectorFile") -> "Iterator[Finding]":
    from watcher.admin.connector.rest import Connect  # noqa: PLC0415
    from watcher.admin.doctor import connect as checks  # noqa: PLC0415
    from watcher.admin.doctor.findings import examine  # noqa: PLC0415

    def open_connect() -> Connect:
        connect = Connect(settings.connect.url, settings.connect.timeout)
        connect.status(connector.name)
        return connect

    yield from examine(
        "connect",
        open_connect,
        (
            partial(checks.plugin, file=connector),
            partial(checks.tasks, file=connector),
            partial(checks.settings, file=connector),
            partial(checks.guards, file=connector),
        ),
        "check connect.url, and that a worker is up; with Debezium Server instead there is nothing to check here",
    )


def _kafka(settings: "Settings") -> "Iterator[Finding]":
    from watcher.admin.doctor import kafka as checks  # noqa: PLC0415
    from watcher.admin.doctor.findings import examine  # noqa: PLC0415
    from watcher.bootstrap.kafka_client import kafka_client  # noqa: PLC0415
    from watcher.kafka.admin import KafkaAdmin  # noqa: PLC0415

    kafka = settings.kafka

    def open_admin() -> KafkaAdmin:
        admin = KafkaAdmin(kafka_client(kafka))
        admin.topics()
        return admin

    yield from examine(
        "kafka",
        open_admin,
        (
            checks.cluster,
            partial(checks.topics, wanted=kafka.topics, heartbeat=kafka.heartbeat_topic),
            partial(checks.group, name=kafka.group, wanted=kafka.topics),
            checks.offset_metadata,
            partial(checks.dead_letters, topic=settings.dead_letters.topic),
        ),
        "check kafka.bootstrap_servers and the security settings, and that a broker is up",
    )


def _registry(settings: "Settings") -> "Iterator[Finding]":
    from watcher.admin.doctor import connect as checks  # noqa: PLC0415
    from watcher.admin.doctor.findings import examine  # noqa: PLC0415
    from watcher.bootstrap.clients import registry_auth  # noqa: PLC0415
    from watcher.decode.registry import RegistryClient  # noqa: PLC0415

    registry = settings.registry
    if registry.url is None:
        return
    client = RegistryClient(registry.url, registry_auth(settings), registry.timeout)
    yield from examine(
        "registry",
        lambda: client,
        (checks.registry,),
        "check registry.url: Avro records become dead letters without it",
    )


def _clickhouse(settings: "Settings", opened: ExitStack) -> "Iterator[Finding]":
    from watcher.admin.doctor import clickhouse as checks  # noqa: PLC0415
    from watcher.admin.doctor.findings import examine  # noqa: PLC0415
    from watcher.bootstrap.clients import connect_clickhouse_as_it_is, deployment  # noqa: PLC0415

    made_for = deployment(settings)
    yield from examine(
        "clickhouse",
        lambda: opened.enter_context(closing(connect_clickhouse_as_it_is(settings))),
        (
            checks.server,
            partial(checks.migrations, deployment=made_for),
            checks.columns,
            partial(checks.windows, deployment=made_for),
            partial(checks.block_size, max_rows=settings.batch.max_rows),
            checks.rights,
        ),
        "check clickhouse.host, port, username and password, and that the server is up",
    )


def _redis(settings: "Settings") -> "Iterator[Finding]":
    from watcher.admin.doctor import redis as checks  # noqa: PLC0415
    from watcher.admin.doctor.findings import examine  # noqa: PLC0415

    server = settings.redis
    nodes: list[checks.RedisNode] = []
    yield from examine(
        "redis",
        lambda: nodes.extend(checks.open_nodes(server.url.get_secret_value(), server.cluster, server.timeout)),
        (),
        "check redis.url, and that the server is up",
    )
    for node in nodes:
        yield from examine("redis", partial(checks.same, node), checks.CHECKS, "see redis.url")
