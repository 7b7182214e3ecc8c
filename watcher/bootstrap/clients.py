"""Clients of the neighbours, made from settings."""

from functools import partial

import clickhouse_sql
from config import Settings
from watcher.model.errors import SchemaPendingError
from watcher.operations import migrate
from watcher.operations.migrate_deployment import Deployment
from watcher.sinks import clickhouse_client, clickhouse_columns
from watcher.sinks.clickhouse import ClickHouseSink


def clickhouse_sink(settings: Settings) -> ClickHouseSink:
    """A sink with a connection of its own, made when it is first used."""
    return ClickHouseSink(partial(connect_clickhouse, settings), clickhouse_sql.queries())


def connect_clickhouse(settings: Settings) -> clickhouse_client.Client:
    """A client of a server whose schema is the one that this program was written for.

    Raises:
        SchemaPendingError: migrations are missing; a view made later must not meet rows of an older program.
        ColumnTypeError: the site has changed the type of a column.
    """
    server = settings.clickhouse
    client = clickhouse_client.connect(
        host=server.host,
        port=server.port,
        username=server.username,
        password=server.password.get_secret_value(),
        database=server.database,
        secure=server.secure,
        timeout=server.timeout,
    )
    deployment = Deployment(kind=server.deployment, cluster=server.cluster, replica_path=server.replica_path)
    if missing := migrate.pending(client, deployment):
        client.close()
        raise SchemaPendingError(
            f"clickhouse lacks {len(missing)} migrations of this version: run `crucible migrate up`, then start again"
        )
    try:
        clickhouse_columns.check_types(client)
    except BaseException:
        client.close()
        raise
    return client
