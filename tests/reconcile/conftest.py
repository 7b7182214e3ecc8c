"""What the tests of comparisons share: PostgreSQL with the site's tables, and ClickHouse with ours."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import psycopg
import pytest
from clickhouse_connect.driver.client import Client

from stack import Stack
from tests import site_database
from tests.clickhouse_clients import ClickHouseClients
from tests.clickhouse_template import copy_template, migrate_template
from tests.stack.watching import started
from watcher.clickhouse.client import connect
from watcher.migrations.postgres.migrate import ensure
from watcher.postgres.session import Session, open_session

_numbers = count(1)


@pytest.fixture(scope="package")
def parts() -> Iterator[Stack]:
    """The two stores, prepared."""
    with started("postgres", "clickhouse") as stack:
        dsn = str(stack.endpoints.postgres_dsn)
        site_database.prepare(dsn)
        ensure(site_database.as_role(dsn, site_database.WATCHER_ROLE), "crucible_watcher")
        migrate_template(stack)
        yield stack


@dataclass(frozen=True)
class World:
    """A site, and what was counted of it."""

    site: psycopg.Connection[Any]
    clickhouse: Client
    database: str
    stack: Stack

    @property
    def environ(self) -> dict[str, str]:
        """Settings of a command."""
        dsn = site_database.as_role(str(self.stack.endpoints.postgres_dsn), site_database.WATCHER_ROLE)
        return {**self.stack.environ(), "CRUCIBLE_POSTGRES__DSN": dsn, "CRUCIBLE_CLICKHOUSE__DATABASE": self.database}

    def client(self) -> Client:
        """Return a client of ClickHouse of one's own."""
        at = self.stack.endpoints
        return connect(
            host=str(at.clickhouse_host),
            port=int(at.clickhouse_port or 0),
            username=str(at.clickhouse_user),
            password=str(at.clickhouse_password),
            database=self.database,
            secure=False,
            timeout=30,
        )

    def session(self) -> AbstractContextManager[Session]:
        """Connect to PostgreSQL as the watcher."""
        return open_session(self.environ["CRUCIBLE_POSTGRES__DSN"], "crucible_watcher")

    def crucible(self) -> int:
        """Make one of user 1, and return its id."""
        found = self.site.execute(
            """INSERT INTO "Crucible" ("userId", name, "updatedAt") VALUES (1, 'Light', now()) RETURNING id"""
        )
        return int(found.fetchone()[0])  # type: ignore[index]

    def enter(self, crucible: int, entries: int, first: int = 1) -> None:
        """Have so many entries, with ids from one on, by users 1 to 3."""
        self.site.execute(
            """INSERT INTO "CrucibleEntry" (id, "crucibleId", "userId", "imageId")
               SELECT n, %s, 1 + n %% 3, 1 + n %% 20 FROM generate_series(%s::int, %s::int) n""",
            (crucible, first, first + entries - 1),
        )

    def count(self, condition: str = "true", sign: int = 1, lsn: int = 5_000, at: datetime | None = None) -> None:
        """Count entries of the site, as the stream would have at some time; a change a row."""
        rows = self.site.execute(
            f'SELECT id, "crucibleId", "userId" FROM "CrucibleEntry" WHERE {condition} ORDER BY id'  # noqa: S608
        ).fetchall()
        self.events(
            [
                event
                for place, (key, crucible, user) in enumerate(rows, lsn)
                for event in (
                    ("Crucible", crucible, user, "Entry", sign, key, place, 0),
                    ("User", user, user, "crucibleEntryCount", sign, key, place, 1),
                )
            ],
            at=at,
        )

    def events(self, rows: list[tuple[Any, ...]], source: str = "CrucibleEntry", at: datetime | None = None) -> None:
        """Insert metric events of a time: entity type, entity, user, metric, value, key, log position, index."""
        time_ms = round((at or datetime.now(UTC)).timestamp() * 1000)
        self.clickhouse.insert(
            "entityMetricEvents",
            [
                (kind, entity, user, metric, value, time_ms, source, key, lsn, lsn.to_bytes(16, "big"), index)
                for kind, entity, user, metric, value, key, lsn, index in rows
            ],
            column_names=(
                "entityType", "entityId", "userId", "metricType", "metricValue", "createdAt",
                "source", "sourceKey", "sourceLsn", "sourceId", "sourceIndex",
            ),
        )  # fmt: skip


@pytest.fixture
def world(parts: Stack) -> Iterator[World]:
    """An empty site of which nothing was counted; its crucibles are not compared by these tests."""
    name = f"reconcile_{next(_numbers)}"
    clients = ClickHouseClients(parts.endpoints)
    copy_template(clients.of("default"), name)
    with psycopg.connect(str(parts.endpoints.postgres_dsn), autocommit=True) as site:
        yield World(site, clients.of(name), name, parts)
        site.execute('TRUNCATE "Crucible", "CrucibleEntry", crucible_watcher.entry_verdict RESTART IDENTITY CASCADE')
        site.execute("TRUNCATE crucible_watcher.key_mark")
    clients.of("default").command(f"DROP DATABASE {name} SYNC")
    clients.close()
