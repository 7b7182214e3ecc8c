"""What the tests of the watcher's own schema share."""

from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql

from stack import Stack
from tests import site_database
from tests.stack.watching import started
from watcher.migrations.postgres.migrate import ensure
from watcher.postgres.session import Session, open_session

_numbers = count()


@pytest.fixture(scope="package")
def postgres() -> Iterator[Stack]:
    """PostgreSQL with the site's tables and roles, once for all tests of this folder."""
    with started("postgres") as stack:
        site_database.prepare(str(stack.endpoints.postgres_dsn))
        yield stack


@pytest.fixture
def dsn(postgres: Stack) -> str:
    """The database as the watcher's role: it may log in, read two tables and write to its schema."""
    return site_database.as_role(str(postgres.endpoints.postgres_dsn), site_database.WATCHER_ROLE)


@pytest.fixture
def schema(postgres: Stack) -> str:
    """A schema of a test's own, made by the administrator for the watcher's role."""
    name = f"watcher_{next(_numbers)}"
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as administrator:
        administrator.execute(f"SET crucible.watcher_schema = '{name}'")
        administrator.execute(site_database.debezium.PREPARATION[1].read_bytes())
    return name


@pytest.fixture
def session(dsn: str, schema: str) -> Iterator[Session]:
    """An open session with its tables."""
    ensure(dsn, schema)
    with open_session(dsn, schema) as one:
        yield one


@pytest.fixture
def own_database(postgres: Stack, schema: str) -> Iterator[tuple[str, str]]:
    """A copy of the database, of a test's own: its connection string as administrator and as watcher."""
    administrator = str(postgres.endpoints.postgres_dsn)
    name, whole = f"own_of_{schema}", psycopg.conninfo.conninfo_to_dict(administrator)["dbname"]
    with psycopg.connect(administrator, autocommit=True, dbname="template1") as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(whole)))
        own = psycopg.conninfo.make_conninfo(administrator, dbname=name)
        yield own, site_database.as_role(own, site_database.WATCHER_ROLE)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
