"""Both ways of telling users, so that one suite runs over both."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from stack import Stack
from tests import site_database
from tests.stack.watching import started
from watcher.migrations.postgres.migrate import ensure
from watcher.notify.http import HttpNotifier
from watcher.notify.port import Notifier
from watcher.notify.table import NoticeTable
from watcher.postgres.session import Session, open_session
from watcher.runtime.http_client import HttpClient

CLIENT_SECONDS = 1.0
"""What a client of the service waits; the double holds a request that is to time out for longer."""
_numbers = count(1)

OpenSession = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class Told:
    """One way of telling users, and what an audit sees of it."""

    notifier: Notifier
    told: Callable[[str], list[tuple[int, dict[str, Any]]]]
    """Key -> users who were told of it, each with the details."""


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """The double of the service, and PostgreSQL with the site's tables."""
    with started("notifications", "postgres") as stack:
        site_database.prepare(str(stack.endpoints.postgres_dsn))
        yield stack


@pytest.fixture
def service(parts: Stack) -> Iterator[httpx.Client]:
    """The double's door for tests; what is queued is delivered at once."""
    with httpx.Client(base_url=parts.notifications.url, timeout=10) as client:
        client.post("/_simulator/delivery", json={"seconds": 0})
        yield client
        client.post("/_simulator/faults", json=[])


@pytest.fixture
def client(parts: Stack) -> HttpClient:
    """What reaches the service."""
    at = parts.notifications
    return HttpClient("the notification service", "notify.url", at.url, CLIENT_SECONDS, bearer=at.token)


def everything(service: httpx.Client) -> dict[str, list[dict[str, Any]]]:
    """What the service has queued and delivered."""
    answer: dict[str, list[dict[str, Any]]] = service.post("/_simulator/notifications", json={}).json()
    return answer


@pytest.fixture
def over_http(client: HttpClient, service: httpx.Client) -> Told:
    """The site's service."""

    def told(key: str) -> list[tuple[int, dict[str, Any]]]:
        return [(one["user"], one["details"]) for one in everything(service)["delivered"] if one["key"] == key]

    return Told(HttpNotifier(client), told)


@pytest.fixture
def settle_dsn(parts: Stack) -> str:
    """The role that settles, with a password."""
    admin = str(parts.endpoints.postgres_dsn)
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(sql.SQL("ALTER ROLE crucible_settle PASSWORD {}").format(site_database.PASSWORD))
    return site_database.as_role(admin, "crucible_settle")


@pytest.fixture
def schema(parts: Stack) -> str:
    """A schema of the watcher's own."""
    admin, name = str(parts.endpoints.postgres_dsn), f"notices_{next(_numbers)}"
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(f"SET crucible.watcher_schema = '{name}'")
        server.execute(site_database.debezium.PREPARATION[1].read_bytes())
    ensure(site_database.as_role(admin, site_database.WATCHER_ROLE), name)
    return name


@pytest.fixture
def settle(settle_dsn: str, schema: str) -> OpenSession:
    """Sessions of the role that settles."""
    return partial(open_session, settle_dsn, schema)


@pytest.fixture
def in_postgres(settle: OpenSession) -> Told:
    """The table, in a schema of its own."""

    def told(key: str) -> list[tuple[int, dict[str, Any]]]:
        with settle() as session:
            return session.read(
                "SELECT user_id, details || jsonb_build_object('message', message, 'url', url) FROM {schema}.notice "
                "WHERE key = %s ORDER BY user_id",
                key,
            )

    return Told(NoticeTable(settle), told)


@pytest.fixture(params=["over_http", "in_postgres"])
def way(request: pytest.FixtureRequest) -> Told:
    """Each of both."""
    way: Told = request.getfixturevalue(request.param)
    return way
