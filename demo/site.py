"""The site's tables, and what its administrator prepares for Debezium and the watcher.

``python -m demo.site`` makes them in the PostgreSQL that ``CRUCIBLE_POSTGRES__DSN`` names; run again after `crucible
migrate up`, it publishes the tables that the watcher has made itself.
"""

import os
import sys
from typing import Any

import psycopg

import debezium
from demo import watched_tables
from demo.program import PROJECT
from handlers import REGISTRY

SITE = PROJECT / "demo" / "site_schema.sql"


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make everything, in an empty database."""
    connection.execute(SITE.read_text(encoding="utf-8"))
    for statement in watched_tables.statements(REGISTRY):
        connection.execute(statement)
    # The publication twice: before the watcher's role is there, and for the tables that came after it.
    for script in (
        *debezium.PREPARATION,
        debezium.THREADS,
        debezium.PAYMENTS,
        debezium.SETTLE,
        debezium.PREPARATION[0],
    ):
        connection.execute(script.read_text(encoding="utf-8"))
        connection.commit()


def publish(connection: psycopg.Connection[Any]) -> None:
    """Publish the watcher's own tables too, once the watcher has made them; see ``debezium/README.md``."""
    connection.execute(debezium.PREPARATION[0].read_text(encoding="utf-8"))
    connection.commit()


def publish_events(connection: psycopg.Connection[Any]) -> None:
    """Publish what other services are told; see ``docs/events.md``."""
    connection.execute(debezium.EVENTS_PREPARATION.read_text(encoding="utf-8"))
    connection.commit()


def main() -> int:
    """Do so where the environment says."""
    dsn = os.environ.get("CRUCIBLE_POSTGRES__DSN")
    if not dsn:
        print('CRUCIBLE_POSTGRES__DSN is not set: eval "$(crucible stack env)"', file=sys.stderr)
        return 1
    with psycopg.connect(dsn) as connection:
        if connection.execute("""SELECT to_regclass('"Crucible"')""").fetchone() != (None,):
            publish(connection)
            print("the watched tables are published")
            return 0
        prepare(connection)
    print("the site's tables are there, with publication, replica identity and roles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
