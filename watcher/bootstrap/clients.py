"""Clients of the neighbours, made from settings: for the roles and for the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import inf

from config import Settings
from watcher.clickhouse import client as clickhouse_client
from watcher.clickhouse import columns as clickhouse_columns
from watcher.clickhouse.pinned_settings import check_settings
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.clickhouse.dropped import dropped
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.ledger import LOST
from watcher.migrations.postgres.migrate import ensure
from watcher.model.errors import SchemaPendingError
from watcher.postgres.session import Session, open_session
from watcher.redis.client import Client, open_client
from watcher.runtime.http_client import HttpClient


def deployment(settings: Settings) -> Deployment:
    """Return for which kind of deployment ClickHouse's tables are made."""
    server = settings.clickhouse
    return Deployment(kind=server.deployment, cluster=server.cluster, replica_path=server.replica_path)


def connect_clickhouse_as_it_is(settings: Settings, at_most: float = inf) -> clickhouse_client.Client:
    """Give a client of a ClickHouse server, whatever its schema.

    Args:
        settings: where it is, and the seconds that a request has.
        at_most: fewer seconds, for whom nobody waits that long.
    """
    server = settings.clickhouse
    return clickhouse_client.connect(
        host=server.host,
        port=server.port,
        username=server.username,
        password=server.password.get_secret_value(),
        database=server.database,
        secure=server.secure,
        timeout=min(server.timeout, at_most),
    )


def connect_clickhouse(settings: Settings, at_most: float = inf) -> clickhouse_client.Client:
    """Give a client of a ClickHouse server whose schema is the one that this program was written for.

    Args:
        settings: as for :func:`connect_clickhouse_as_it_is`.
        at_most: as there.

    Raises:
        SchemaPendingError: migrations are missing, for a view made later must not meet rows of an older program; or
            a table that inserts go to was dropped.
        ColumnTypeError: the site has changed the type of a column.
        PinnedSettingError: the user's profile keeps requests from having the settings that they need.
    """
    client = connect_clickhouse_as_it_is(settings, at_most)
    try:
        _check_migrated(client, deployment(settings))
        clickhouse_columns.check_types(client)
        check_settings(client)
    except BaseException:
        client.close()
        raise
    return client


def _check_migrated(client: clickhouse_client.Client, made_for: Deployment) -> None:
    if missing := migrate.pending(client, made_for):
        raise SchemaPendingError(
            f"clickhouse lacks migrations of this version ({len(missing)}): run `crucible migrate up`, then start again"
        )
    if gone := [one.name for one in dropped(Server(client, made_for, migrate.silent)) if one.written]:
        raise SchemaPendingError(f"clickhouse lacks {', '.join(gone)}, which migrations made: {LOST}; then start again")


def redis_client(settings: Settings) -> Client:
    """Return a synchronous client of Redis.

    Raises:
        TemporaryError: it is a cluster, and away.
    """
    redis = settings.redis
    return open_client(redis.url.get_secret_value(), cluster=redis.cluster, timeout=redis.timeout)


@contextmanager
def site_session(settings: Settings) -> Iterator[Session]:
    """Give a connection to the site's PostgreSQL, in which the watcher's own tables are there.

    Raises:
        PostgresRefusedError: the role may not do what is needed.
        TemporaryError: PostgreSQL is away.
    """
    postgres = settings.postgres
    dsn = postgres.dsn.get_secret_value()
    _ensured(dsn, postgres.watcher_schema, postgres.timeout)
    with open_session(dsn, postgres.watcher_schema, postgres.timeout) as session:
        yield session


@contextmanager
def reader_session(settings: Settings, session: Session) -> Iterator[Session]:
    """Give a connection for reading whole tables: to the replica, where one is named, else the one that is open.

    Args:
        settings: where the replica is.
        session: the open one, to the site's PostgreSQL.

    Raises:
        PostgresRefusedError: the role may not do what is needed.
        TemporaryError: the replica is away.
    """
    postgres = settings.postgres
    if postgres.reader_dsn is None:
        yield session
        return
    with open_session(postgres.reader_dsn.get_secret_value(), postgres.watcher_schema, postgres.timeout) as reader:
        yield reader


@cache
def _ensured(dsn: str, schema: str, timeout: float) -> None:
    """Make the watcher's own tables, once in a process."""
    ensure(dsn, schema, timeout)


def registry_auth(settings: Settings) -> tuple[str, str] | None:
    """Return user and password of the schema registry, if it wants any."""
    registry = settings.registry
    password = registry.password.get_secret_value() if registry.password else ""
    return (registry.username, password) if registry.username else None


def notification_client(settings: Settings) -> HttpClient:
    """Return a client of the site's notification service; to be called only where ``notify.url`` is set."""
    at = settings.notify
    token = None if at.token is None else at.token.get_secret_value()
    return HttpClient("the notification service", "notify.url", at.url or "", at.timeout, bearer=token)
