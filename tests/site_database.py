"""The site's database made ready for Debezium and the watcher, as an administrator would."""

from pathlib import Path

import psycopg
from psycopg import sql

import debezium

SCHEMA = Path(__file__).resolve().parent.parent / "demo" / "site_schema.sql"
DEBEZIUM_ROLE = "crucible_debezium"
WATCHER_ROLE = "crucible_watcher"
PASSWORD = "of-a-test"


def prepare(dsn: str) -> None:
    """The site's tables, the roles with a password, the publication, a user and some images.

    Args:
        dsn: connection string of an administrator; the database is empty.
    """
    with psycopg.connect(dsn, autocommit=True) as site:
        site.execute(SCHEMA.read_bytes())
        for preparation in debezium.PREPARATION:
            site.execute(preparation.read_bytes())
        for role in (DEBEZIUM_ROLE, WATCHER_ROLE):
            site.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), PASSWORD))
        site.execute("""INSERT INTO "User" (username) VALUES ('ada'), ('bob'), ('cyd')""")
        site.execute(
            """INSERT INTO "Image" ("userId", url, "nsfwLevel", "updatedAt")
               SELECT 1 + n % 3, 'image-' || n, 1, now() FROM generate_series(1, 20) n"""
        )


def as_role(dsn: str, role: str) -> str:
    """The same database, as one of the two roles."""
    return psycopg.conninfo.make_conninfo(dsn, user=role, password=PASSWORD)


def overlay() -> list[str]:
    """What turns a shipped connector file to the role of its own, in place of the local stack's administrator."""
    return [f"database.user={DEBEZIUM_ROLE}", f"database.password={PASSWORD}"]
