"""What an administrator runs prepares every watched table, those of the watcher's own schema included."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql

from handlers import REGISTRY
from stack import Stack
from tests import site_database
from watcher.admin.table_lists import table_lists
from watcher.model.change import SITE_SCHEMA
from watcher.model.registry import WATCHER_SCHEMA, Registry

ROOT = Path(__file__).resolve().parents[2]
OWN = msgspec.structs.replace(REGISTRY.tables["CrucibleEntry"], name="entry_verdict", schema=WATCHER_SCHEMA)
OF_THE_SITE = [table for table in REGISTRY if table.schema == SITE_SCHEMA]
SCRIPT = table_lists(Registry.of(*OF_THE_SITE, OWN), lambda name: (ROOT / name).read_text())[
    "debezium/postgres/replication.sql"
]
CONNECTORS = {"crucible_debezium.heartbeat", "crucible_debezium.signal"}
SITES = {table.qualified for table in OF_THE_SITE}


@pytest.fixture
def site(postgres: Stack) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A prepared database of its own, as its administrator, in which the watcher's schema has another name."""
    administrator = str(postgres.endpoints.postgres_dsn)
    with psycopg.connect(administrator, autocommit=True) as server:
        server.execute("CREATE DATABASE prepared")
        dsn = psycopg.conninfo.make_conninfo(administrator, dbname="prepared")
        site_database.prepare(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA elsewhere")
            connection.execute("SET crucible.watcher_schema = 'elsewhere'")
            yield connection
        server.execute(sql.SQL("DROP DATABASE prepared WITH (FORCE)"))


def published(site: psycopg.Connection[tuple[object, ...]]) -> set[str]:
    rows = site.execute("SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = 'crucible'")
    return {str(name) for (name,) in rows}


def test_a_table_of_the_watchers_own_is_published_once_it_is_there(
    site: psycopg.Connection[tuple[object, ...]],
) -> None:
    """The watcher makes it later; until then the site's tables are prepared all the same, and a notice says so."""
    notices: list[str] = []
    site.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    site.execute(SCRIPT.encode())
    before = published(site)
    site.execute("CREATE TABLE elsewhere.entry_verdict (id bigint PRIMARY KEY)")

    for _ in range(2):  # the second run changes nothing
        site.execute(SCRIPT.encode())

    assert before == SITES | CONNECTORS
    assert published(site) == before | {"elsewhere.entry_verdict"}
    assert [notice for notice in notices if "crucible migrate up" in notice] == [
        "elsewhere.entry_verdict is not there yet: run this file again after `crucible migrate up`"
    ]
    assert site.execute(
        """SELECT relreplident = 'f', has_table_privilege('crucible_debezium', oid, 'SELECT'),
                  has_schema_privilege('crucible_debezium', 'elsewhere', 'USAGE')
             FROM pg_class WHERE oid = 'elsewhere.entry_verdict'::regclass"""
    ).fetchall() == [(True, True, True)]


def test_a_table_that_is_no_longer_watched_is_published_no_longer(
    site: psycopg.Connection[tuple[object, ...]],
) -> None:
    """Its changes would be a dead letter each."""
    site.execute('ALTER PUBLICATION crucible ADD TABLE public."User"')

    site.execute(SCRIPT.encode())

    assert published(site) == SITES | CONNECTORS


def test_a_table_of_the_site_that_is_missing_stops_the_preparation(
    site: psycopg.Connection[tuple[object, ...]],
) -> None:
    """Most likely it runs in the wrong database."""
    site.execute('ALTER TABLE "CrucibleEntry" RENAME TO "Other"')

    with pytest.raises(psycopg.errors.UndefinedTable, match=r"public\.CrucibleEntry"):
        site.execute(SCRIPT.encode())


def test_a_table_of_partitions_is_prepared_whole(site: psycopg.Connection[tuple[object, ...]]) -> None:
    """Each partition logs whole rows, one that came later too, and their changes are their table's."""
    site.execute(
        """CREATE TABLE elsewhere.entry_verdict (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE elsewhere.first PARTITION OF elsewhere.entry_verdict FOR VALUES FROM (0) TO (10)"""
    )
    site.execute(SCRIPT.encode())
    site.execute("CREATE TABLE elsewhere.second PARTITION OF elsewhere.entry_verdict FOR VALUES FROM (10) TO (20)")
    site.execute("ALTER PUBLICATION crucible SET (publish_via_partition_root = false)")

    site.execute(SCRIPT.encode())

    assert published(site) == SITES | CONNECTORS | {"elsewhere.entry_verdict"}
    identities = site.execute("SELECT relname, relreplident FROM pg_class WHERE relname IN ('first', 'second')")
    assert dict(identities.fetchall()) == {"first": "f", "second": "f"}  # type: ignore[arg-type]


@pytest.mark.parametrize("narrowed", ["WHERE (id > 5)", "(id)"], ids=["a condition", "a list of columns"])
def test_what_narrows_the_publication_is_taken_out(site: psycopg.Connection[tuple[object, ...]], narrowed: str) -> None:
    """The runbook sends who finds it to this file; every table is in the publication already."""
    site.execute(SCRIPT.encode())
    whole = narrowings(site)
    site.execute('ALTER PUBLICATION crucible DROP TABLE "Crucible"')
    site.execute(f'ALTER PUBLICATION crucible ADD TABLE "Crucible" {narrowed}'.encode())
    assert narrowings(site) != whole

    site.execute(SCRIPT.encode())

    assert narrowings(site) == whole


def narrowings(site: psycopg.Connection[tuple[object, ...]]) -> set[tuple[object, ...]]:
    return set(
        site.execute("""
        SELECT tablename, rowfilter, array_length(attnames, 1) FROM pg_publication_tables WHERE pubname = 'crucible'
    """)
    )
