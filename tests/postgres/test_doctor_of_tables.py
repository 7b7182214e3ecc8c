"""What the doctor finds of tables, their columns, partitions and publication, and of the connector's rights."""

from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from handlers import REGISTRY
from stack import Stack
from tests import site_database
from watcher.admin.doctor.findings import Finding, Level
from watcher.admin.doctor.postgres.columns import columns
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.published import publication, tables
from watcher.admin.doctor.postgres.rights import debezium_rights
from watcher.model.bounds import Id, Milliseconds
from watcher.model.change import SITE_SCHEMA
from watcher.postgres.session import Session

SITE = tuple(table.qualified for table in REGISTRY if table.schema == SITE_SCHEMA)
NAMES = SourceNames(tables=SITE, slot="crucible", publication="crucible")
WIDE = SourceNames(tables=("wide.Votes",), slot="crucible", publication="wide")


class VoteRow(msgspec.Struct, rename="camel"):
    """What a handler of the table of this test needs."""

    id: Id
    is_fair: bool
    voted_at: Milliseconds | None
    said: str


@pytest.fixture
def administrator(postgres: Stack) -> Iterator[psycopg.Connection]:
    """The database's owner, with a table of partitions and its publication, both gone after the test."""
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as connection:
        connection.execute(
            """CREATE SCHEMA wide;
            CREATE TABLE wide."Votes" (id integer, "isFair" boolean, "votedAt" timestamp(3), said text)
                PARTITION BY RANGE (id);
            CREATE TABLE wide.first PARTITION OF wide."Votes" FOR VALUES FROM (0) TO (10);
            CREATE TABLE wide.others PARTITION OF wide."Votes" FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (id);
            CREATE TABLE wide.second PARTITION OF wide.others FOR VALUES FROM (10) TO (20);
            ALTER TABLE wide."Votes" REPLICA IDENTITY FULL;
            ALTER TABLE wide.first REPLICA IDENTITY FULL;
            CREATE PUBLICATION wide FOR TABLE wide."Votes", crucible_debezium.heartbeat"""
        )
        yield connection
        connection.execute("DROP PUBLICATION wide; DROP SCHEMA wide CASCADE")


def only(findings: Iterator[Finding]) -> Finding:
    """Return the one finding."""
    (found,) = findings
    return found


def test_the_log_knows_partitions_alone(administrator: psycopg.Connection, session: Session) -> None:
    """One that keeps the default under a root that is FULL loses old rows, at any depth; the root's says nothing."""
    found = only(tables(session, WIDE))

    assert (found.level, found.found) == (Level.FAIL, "DEFAULT at 1 of 2 partitions: wide.second")
    assert found.advice.startswith("ALTER TABLE wide.second REPLICA IDENTITY FULL")
    administrator.execute("ALTER TABLE wide.second REPLICA IDENTITY FULL")
    found = only(tables(session, WIDE))
    assert (found.level, found.found) == (Level.OK, "FULL at 2 of 2 partitions")


def test_partitions_are_published_as_their_table(administrator: psycopg.Connection, session: Session) -> None:
    found = only(publication(session, WIDE))
    assert (found.level, "publish_via_partition_root = true" in found.advice) == (Level.FAIL, True)

    administrator.execute("ALTER PUBLICATION wide SET (publish_via_partition_root = true)")
    assert only(publication(session, WIDE)).level is Level.OK


def test_a_publication_that_leaves_out_rows_is_named(administrator: psycopg.Connection, session: Session) -> None:
    administrator.execute("ALTER PUBLICATION wide SET (publish_via_partition_root = true)")
    administrator.execute('ALTER PUBLICATION wide SET TABLE wide."Votes" WHERE (id > 5), crucible_debezium.heartbeat')
    found = only(publication(session, WIDE))

    assert (found.level, found.found) == (Level.FAIL, "wide leaves out rows of wide.Votes, by a condition")


def test_a_list_of_columns_is_named_though_handlers_need_no_other(
    administrator: psycopg.Connection, session: Session
) -> None:
    """With whole rows in the log PostgreSQL refuses the site's own updates then."""
    administrator.execute("ALTER PUBLICATION wide SET (publish_via_partition_root = true)")
    named = ", ".join(f'"{one.encode_name}"' for one in msgspec.structs.fields(VoteRow))
    administrator.execute(
        f'ALTER PUBLICATION wide SET TABLE wide."Votes" ({named}), crucible_debezium.heartbeat'.encode()
    )
    found = only(publication(session, WIDE))

    assert (found.level, "a list of columns for wide.Votes" in found.found) == (Level.FAIL, True)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ('ALTER TABLE wide."Votes" RENAME said TO told', "lacks said"),
        ('ALTER TABLE wide."Votes" ALTER "votedAt" TYPE timestamp(6)', "votedAt is timestamp(6) without time zone, "),
        ('ALTER TABLE wide."Votes" ALTER "votedAt" TYPE timestamptz', "votedAt is timestamp with time zone, "),
        ('ALTER TABLE wide."Votes" ALTER "isFair" TYPE integer USING 1', "isFair is integer, expected boolean"),
        ('ALTER PUBLICATION wide SET TABLE wide."Votes" (id, "isFair", said), crucible_debezium.heartbeat', "votedAt "),
    ],
)
def test_columns_that_handlers_cannot_read_are_named(
    administrator: psycopg.Connection, session: Session, change: str, found: str
) -> None:
    administrator.execute("ALTER PUBLICATION wide SET (publish_via_partition_root = true)")
    assert only(columns(session, WIDE, {"wide.Votes": VoteRow})).level is Level.OK
    administrator.execute(change.encode())
    finding = only(columns(session, WIDE, {"wide.Votes": VoteRow}))

    assert (finding.name, finding.level) == ("postgres.columns.Votes", Level.FAIL)
    assert finding.found.startswith(found)


def test_the_site_has_the_columns_of_every_registered_table(session: Session) -> None:
    rows = {table.qualified: table.row for table in REGISTRY.with_watcher_schema(session.schema)}
    found = list(columns(session, NAMES, rows))

    assert len(found) >= len(SITE)
    assert {one.level for one in found} == {Level.OK}, found


def test_the_connectors_role_may_do_what_it_does(session: Session) -> None:
    found = only(debezium_rights(session, NAMES, None))

    assert (found.level, found.found) == (Level.OK, "as needed")


@pytest.mark.parametrize(
    ("right", "on"),
    [
        ("SELECT", 'public."CrucibleEntry"'),
        ("INSERT", "crucible_debezium.heartbeat"),
        ("UPDATE", "crucible_debezium.heartbeat"),
        ("USAGE", "SCHEMA crucible_debezium"),
    ],
)
def test_a_right_that_the_connector_lacks_is_named(postgres: Stack, session: Session, right: str, on: str) -> None:
    """Each by itself, with the grant."""
    role = site_database.DEBEZIUM_ROLE
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as owner:
        owner.execute(f"REVOKE {right} ON {on} FROM {role}".encode())
        try:
            found = only(debezium_rights(session, NAMES, None))
        finally:
            owner.execute(f"GRANT {right} ON {on} TO {role}".encode())

    assert found.level is Level.FAIL
    assert f"{right} on " in found.found
    assert f"GRANT {right} ON " in found.advice


def test_a_connectors_role_that_nobody_knows_is_a_warning(session: Session) -> None:
    found = only(debezium_rights(session, NAMES, "nobody_like_that"))

    assert (found.level, "CRUCIBLE_DEBEZIUM_USER" in found.advice) == (Level.WARN, True)
