"""Stores for the simulator and the audit, without a pipeline between them."""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from demo.places import Places
from demo.simulator import Simulator
from demo.site import SITE
from stack import Options, Stack
from tests.stack.watching import provided
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TABLES = (
    *("entityMetricEvents", "metric_totals_v1", "metric_daily_v1", "metric_hourly_v1"),
    *("crucible_entry_rating", "entry_rating_v1"),
)


@pytest.fixture(scope="package")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres, Redis, ClickHouse with its tables, and the Buzz service, once."""
    parts, options = ("postgres", "redis", "clickhouse", "buzz"), Options(fsync=False)
    topology = Stack(tmp_path_factory.mktemp("stores"), parts, options)
    try:
        with provided():
            topology.start()
        with Places.at(topology.endpoints) as at_stack:
            migrate.up(at_stack.clickhouse, Deployment())
        yield topology
    finally:
        topology.close()


class NewSite(Protocol):
    """Makes a site."""

    def __call__(self, *, lived: tuple[int, int] | None = None) -> str:
        """Connection string of a site that is empty, or that has lived: seed and number of steps."""
        ...


@pytest.fixture(scope="package")
def lived(stores: Stack) -> Callable[[int, int], str]:
    """Names of databases with sites that have lived, to be copied; each lives once."""

    @cache
    def live(seed: int, steps: int) -> str:
        name = f"lived_{seed}_{steps}"
        with psycopg.connect(stores.postgres.dsn, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        with Simulator(_with_tables(stores, name), seed=seed) as simulator:
            for _ in range(steps):
                simulator.step()
            simulator.settle()
        return name

    return live


@pytest.fixture
def new_site(stores: Stack, lived: Callable[[int, int], str]) -> Iterator[NewSite]:
    """Makes sites, each a database of its own that is gone after the test."""
    made: list[str] = []
    template = lived
    with psycopg.connect(stores.postgres.dsn, autocommit=True) as admin:

        def make(*, lived: tuple[int, int] | None = None) -> str:
            name = f"site_{uuid.uuid4().hex[:12]}"
            copied = f"TEMPLATE {template(*lived)}" if lived else ""
            admin.execute(f"CREATE DATABASE {name} {copied}")  # type: ignore[arg-type]
            made.append(name)
            return make_conninfo(stores.postgres.dsn, dbname=name) if lived else _with_tables(stores, name)

        yield make
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def _with_tables(stores: Stack, name: str) -> str:
    dsn = make_conninfo(stores.postgres.dsn, dbname=name)
    with psycopg.connect(dsn) as site:
        site.execute(SITE.read_text(encoding="utf-8"))  # type: ignore[arg-type]
    return dsn


@pytest.fixture
def site(new_site: NewSite) -> str:
    """Connection string of one empty site."""
    return new_site()


@pytest.fixture
def places(stores: Stack, site: str) -> Iterator[Places]:
    """Connections to one empty site, an empty ClickHouse and an empty Redis."""
    with Places.at(stores.endpoints) as at_stack:
        for table in TABLES:
            at_stack.clickhouse.command(f"TRUNCATE TABLE {table}")
        at_stack.redis.flushall()
        with psycopg.connect(site, autocommit=True) as postgres:
            yield Places(postgres, at_stack.clickhouse, at_stack.redis)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for logs."""
    return tmp_path


def one(connection: psycopg.Connection[Any], query: str) -> Any:
    """The one value that a query answers."""
    row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]
