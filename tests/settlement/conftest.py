"""What the tests of endings share: the site of the tests of entries, and the role that settles."""

from functools import partial

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.entries.conftest import parts, service, site
from tests.entries.site import Site
from tests.settlement.endings import Endings
from watcher.postgres.session import open_session

__all__ = ["endings", "parts", "service", "settle_dsn", "site"]


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
