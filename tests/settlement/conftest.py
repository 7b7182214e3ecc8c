"""What the tests of endings share: the site of the tests of entries, and the role that settles."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.command import Done, crucible
from tests.entries.conftest import door, parts, service, site
from tests.entries.site import Site
from tests.settlement.endings import Endings
from watcher.postgres.session import open_session

PROJECT = Path(__file__).resolve().parents[2]

__all__ = ["command", "door", "endings", "parts", "service", "settle_dsn", "site"]


@pytest.fixture(scope="package")
def settle_dsn(parts: Stack) -> str:
    """Connection string of the role that settles, made by the file that is shipped."""
    admin_dsn = str(parts.endpoints.postgres_dsn)
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(site_database.debezium.SETTLE.read_bytes())
        password = psycopg.sql.Literal(site_database.PASSWORD)
        admin.execute(psycopg.sql.SQL("ALTER ROLE crucible_settle PASSWORD {}").format(password))
    return site_database.as_role(admin_dsn, "crucible_settle")


@pytest.fixture
def endings(site: Site, settle_dsn: str, service: httpx.Client) -> Endings:
    """A site whose crucibles end."""
    return Endings(site, partial(open_session, settle_dsn, site.schema), service)


@pytest.fixture
def command(parts: Stack, settle_dsn: str, endings: Endings) -> Callable[..., Done]:
    """Runs ``crucible`` with its arguments; Redis and ClickHouse are away."""
    admin = str(parts.endpoints.postgres_dsn)
    environ = {
        "PATH": "/usr/bin:/bin",
        "CRUCIBLE_POSTGRES__DSN": site_database.as_role(admin, site_database.WATCHER_ROLE),
        "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": endings.site.schema,
        "CRUCIBLE_SETTLE__DSN": settle_dsn,
        "CRUCIBLE_REDIS__URL": "redis://127.0.0.1:1",
        "CRUCIBLE_CLICKHOUSE__PORT": "1",
    }

    def run(*arguments: object, without: str = "") -> Done:
        chosen = {name: value for name, value in environ.items() if name != without}
        return crucible(*map(str, arguments), environ=chosen, folder=PROJECT)

    return run
