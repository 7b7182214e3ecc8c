"""What the tests of entries share: PostgreSQL with the site's tables, and the double of the Buzz service."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count

import httpx
import psycopg
import pytest

from stack import Stack
from tests import site_database
from tests.entries.site import Site
from tests.stack.watching import started
from watcher.buzz.http import HttpBuzz
from watcher.migrations.postgres.migrate import ensure
from watcher.postgres.session import open_session
from watcher.runtime.http_client import HttpClient

PATIENT_SECONDS = 30.0
"""What a client of the service waits: a busy machine is no fault of the service."""
_numbers = count(1)


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """PostgreSQL with the site's tables, and the double of the Buzz service."""
    with started("buzz", "postgres") as stack:
        site_database.prepare(str(stack.endpoints.postgres_dsn))
        yield stack


@pytest.fixture(scope="package")
def door(parts: Stack) -> Iterator[httpx.Client]:
    """The double's door for tests. To make a client takes 25 ms of a processor, for its certificates."""
    with httpx.Client(base_url=parts.buzz.url, timeout=10) as client:
        yield client


@pytest.fixture
def service(door: httpx.Client) -> Iterator[httpx.Client]:
    """The double's door for tests, with no fault left behind it."""
    yield door
    door.post("/_simulator/faults", json=[])


@contextmanager
def opened_site(parts: Stack) -> Iterator[Site]:
    """A site without entries, and a schema of the watcher's own."""
    admin_dsn, schema = str(parts.endpoints.postgres_dsn), f"watcher_{next(_numbers)}"
    dsn = site_database.as_role(admin_dsn, site_database.WATCHER_ROLE)
    with closing(psycopg.connect(admin_dsn, autocommit=True)) as admin:
        admin.execute(f"SET crucible.watcher_schema = '{schema}'")
        admin.execute(site_database.debezium.PREPARATION[1].read_bytes())
        admin.execute(site_database.debezium.PAYMENTS.read_bytes())
        ensure(dsn, schema)
        buzz = HttpBuzz(HttpClient("the Buzz service", "buzz.url", parts.buzz.url, PATIENT_SECONDS))
        yield Site(admin, partial(open_session, dsn, schema), schema, buzz)


@pytest.fixture
def site(parts: Stack, service: httpx.Client) -> Iterator[Site]:
    """A site without entries, and a schema of the watcher's own."""
    del service
    with opened_site(parts) as site:
        yield site
        site.admin.execute('DELETE FROM "Crucible"')
