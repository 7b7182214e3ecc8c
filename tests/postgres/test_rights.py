"""The watcher's role may read what it reads, and the doctor says so."""

import psycopg
import pytest
from psycopg import sql

from handlers import REGISTRY
from stack import Stack
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.rights import rights
from watcher.model.change import SITE_SCHEMA
from watcher.postgres.session import Session
from watcher.postgres.site.read_tables import READ_TABLES

NAMES = SourceNames(tables=tuple(table.qualified for table in REGISTRY), slot="s", publication="p")


def test_the_prepared_role_has_every_right(session: Session) -> None:
    """debezium/postgres/watcher.sql gives it all that is asked for."""
    (finding,) = rights(session, NAMES)

    assert (finding.level, finding.found) == (Level.OK, "as needed")


@pytest.mark.parametrize("table", ["CrucibleEntry", *READ_TABLES])
def test_a_table_that_may_not_be_read_is_named(postgres: Stack, session: Session, table: str) -> None:
    """With the file to run; no right on it is implied by another."""
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as administrator:
        administrator.execute(sql.SQL("REVOKE SELECT ON {} FROM crucible_watcher").format(sql.Identifier(table)))
        try:
            (finding,) = rights(session, NAMES)
        finally:
            administrator.execute(sql.SQL("GRANT SELECT ON {} TO crucible_watcher").format(sql.Identifier(table)))

    assert (finding.level, finding.found) == (
        Level.FAIL,
        f'the role of postgres.dsn lacks SELECT on TABLE "public"."{table}"',
    )
    assert "debezium/postgres/watcher.sql" in finding.advice


def test_the_site_is_never_written(postgres: Stack, session: Session) -> None:
    """The role may read these tables, and nothing else of the site."""
    del postgres
    may = session.run(
        """SELECT relname, string_agg(verb, ' ')
           FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) verb
           WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND has_table_privilege(oid, verb)
           GROUP BY relname"""
    )

    watched = [table.name for table in REGISTRY if table.schema == SITE_SCHEMA]
    assert dict(may) == dict.fromkeys((*watched, *READ_TABLES), "SELECT")
