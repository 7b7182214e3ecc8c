"""The site's database made ready for Debezium and the watcher, as an administrator would."""

from pathlib import Path

import psycopg
from psycopg import sql

import debezium
from demo import watched_tables
from handlers import REGISTRY

SCHEMA = Path(__file__).resolve().parent.parent / "demo" / "site_schema.sql"
DEBEZIUM_ROLE = "crucible_debezium"
WATCHER_ROLE = "crucible_watcher"
PASSWORD = "of-a-test"


def prepare(dsn: str) -> None:
    """The site's tables, the roles, the watcher's with a password, the publication, some users and images.

    Args:
        dsn: connection string of an administrator; the database is empty.
    """
    with psycopg.connect(dsn, autocommit=True) as site:
        site.execute(SCHEMA.read_bytes())
        for statement in watched_tables.statements(REGISTRY):
            site.execute(statement.encode())
        for preparation in debezium.PREPARATION:
            site.execute(preparation.read_bytes())
        site.execute(debezium.THREADS.read_bytes())
        site.execute(debezium.PAYMENTS.read_bytes())
        site.execute(debezium.SETTLE.read_bytes())
        site.execute(debezium.PREPARATION[0].read_bytes())  # again, for the tables that came after it
        site.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(WATCHER_ROLE), PASSWORD))
        site.execute("""INSERT INTO "User" (username) VALUES ('ada'), ('bob'), ('cyd')""")
        site.execute(
            """INSERT INTO "Image" ("userId", url, "nsfwLevel", "updatedAt")
               SELECT 1 + n % 3, 'image-' || n, 1, now() FROM generate_series(1, 20) n"""
        )


def as_role(dsn: str, role: str, password: str = PASSWORD) -> str:
    """The same database, as one of the two roles. Debezium's has the password that the local stack gave it."""
    return psycopg.conninfo.make_conninfo(dsn, user=role, password=password)
