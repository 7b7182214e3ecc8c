"""What a site has set for its role or database: all is read as it is, and what stands in the way is told."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres.own_schema import own_tables
from watcher.admin.doctor.postgres.server import server
from watcher.migrations.postgres.migrate import ensure
from watcher.model.errors import TemporaryError
from watcher.model.farthest import Farthest
from watcher.postgres.own.journal import PostgresJournalStore
from watcher.postgres.pool import SitePool
from watcher.postgres.session import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, LiteralString

    from stack import Stack


@pytest.fixture
def administrator(postgres: Stack) -> str:
    """The administrator's connection string."""
    return str(postgres.endpoints.postgres_dsn)


@contextmanager
def setting(administrator: str, name: str, value: str) -> Iterator[None]:
    """Have the watcher's role begin each connection so."""
    with psycopg.connect(administrator, autocommit=True) as site:
        site.execute(f"ALTER ROLE crucible_watcher SET {name} = '{value}'".encode())
        try:
            yield
        finally:
            site.execute(f"ALTER ROLE crucible_watcher RESET {name}".encode())


def read_in_a_pool(dsn: str, query: LiteralString) -> list[dict[str, Any]]:
    """Return what requests read."""

    async def read() -> list[dict[str, Any]]:
        async with SitePool(dsn, 1, 5.0) as pool:
            return await pool.fetch(query)

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DateStyle", "German, DMY"),
        ("DateStyle", "SQL, MDY"),
        ("client_encoding", "SQL_ASCII"),
        ("client_encoding", "LATIN1"),
        ("TimeZone", "Asia/Tokyo"),
        ("search_path", "nowhere"),
        ("standard_conforming_strings", "off"),
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_deferrable", "on"),
        ("bytea_output", "escape"),
        ("extra_float_digits", "-15"),
    ],
)
def test_how_a_role_writes_values_is_no_matter(
    administrator: str, dsn: str, schema: str, name: str, value: str
) -> None:
    """Migrations are recognised, the journal is kept, doctor is content, and requests get the same moment and name."""
    moment: LiteralString = "SELECT timestamptz '2026-03-04 05:06:07+00' AS at, 'J\u00f6rg' AS name"
    with setting(administrator, name, value):
        ensure(dsn, schema)
        again = ensure(dsn, schema)
        store = PostgresJournalStore(dsn, schema, "g", 5.0)
        store.load()
        store.save({}, {}, Farthest())
        with open_session(dsn, schema) as session:
            levels = {one.level for one in own_tables(session)}
            ((at, said),) = session.read(moment)
        (row,) = read_in_a_pool(dsn, moment)

    assert again == []
    assert levels == {Level.OK}
    assert (at.timestamp(), said) == (row["at"].timestamp(), row["name"]) == (1772600767.0, "J\u00f6rg")


def test_a_role_that_may_write_nothing_is_told_as_such(administrator: str, dsn: str, schema: str) -> None:
    """It looks like a standby, for that is what the server says; doctor tells the two apart."""
    ensure(dsn, schema)
    with setting(administrator, "default_transaction_read_only", "on"):
        store = PostgresJournalStore(dsn, schema, "g", 5.0)
        with pytest.raises(TemporaryError, match=r"RESET default_transaction_read_only"):
            store.load()
        with open_session(dsn, schema) as session:
            (found,) = server(session)

    assert found.level is Level.FAIL
    assert found.found.endswith(", read-only for this role")
    assert "RESET default_transaction_read_only" in found.advice


def test_bytes_that_are_no_text_hold_up_nobody(administrator: str) -> None:
    """A database that takes any bytes for text has names that are none: what cannot be read is shown as replaced."""
    with psycopg.connect(administrator, autocommit=True, dbname="template1") as site:
        site.execute("CREATE DATABASE any_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
        try:
            dsn = psycopg.conninfo.make_conninfo(administrator, dbname="any_bytes")
            query: LiteralString = r"SELECT E'J\366rg' AS latin, E'J\303\266rg'::varchar AS utf"
            with open_session(dsn, "s") as session:
                rows = session.read(query)
            read = read_in_a_pool(dsn, query)
        finally:
            site.execute("DROP DATABASE any_bytes WITH (FORCE)")

    assert rows == [("J\ufffdrg", "J\u00f6rg")]
    assert [tuple(row.values()) for row in read] == rows
