"""What the tests against the real Kafka Connect share."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import sql

from stack import Stack
from tests import site_database
from tests.connector.site import Site
from tests.stack.watching import started

_numbers = count()


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """PostgreSQL, Kafka, Connect and the schema registry, once for all tests of this folder."""
    with started("postgres", "kafka", "connect", "registry") as stack:
        yield stack


@pytest.fixture
def site(parts: Stack) -> Iterator[Site]:
    """A prepared database of its own, with a slot and a connector of the same name."""
    name = f"site_{next(_numbers):03}"  # none is part of another
    administrator = str(parts.endpoints.postgres_dsn)
    with psycopg.connect(administrator, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = psycopg.conninfo.make_conninfo(administrator, dbname=name)
    site_database.prepare(dsn)
    one = Site(name, dsn, parts)
    yield one
    one.close()


@pytest.fixture
def crucible(parts: Stack) -> Callable[..., Any]:
    """The command line, pointed at the parts."""
    from tests.connector.site import crucible

    return lambda *arguments, **environ: crucible(*arguments, **{**parts.environ(), **environ})
