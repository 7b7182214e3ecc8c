"""A migrated database of ClickHouse, and copies of it: migrating one for each test would cost seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.acceptance.daemon import REPOSITORY
from tests.clickhouse_clients import ClickHouseClients

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from stack.topology import Stack

TEMPLATE = "template_of_the_tests"
"""Replaced wherever it stands in the text of a table, so it must be no other word."""


def migrate_template(stack: Stack) -> None:
    """Make the database that is copied, with the command that operators use."""
    clients = ClickHouseClients(stack.endpoints)
    clients.of("default").command(f"CREATE DATABASE {TEMPLATE}")
    clients.close()
    environ = {**os.environ, **stack.environ(), "CRUCIBLE_CLICKHOUSE__DATABASE": TEMPLATE}
    subprocess.run([sys.executable, "-m", "watcher", "migrate", "up"], check=True, env=environ, cwd=REPOSITORY)


def copy_template(client: Client, name: str) -> None:
    """Make a database like it."""
    client.command(f"CREATE DATABASE {name}")
    tables = client.query(
        "SELECT name, create_table_query, coalesce(total_rows, 0) FROM system.tables "
        "WHERE database = {d:String} ORDER BY engine LIKE '%View', engine = 'Buffer', engine = 'View', name",
        parameters={"d": TEMPLATE},
    ).result_rows
    for table, text, rows in tables:
        client.command(text.replace(TEMPLATE, name))
        if rows:  # the record of migrations
            client.command(f"INSERT INTO {name}.{table} SELECT * FROM {TEMPLATE}.{table}")  # noqa: S608
