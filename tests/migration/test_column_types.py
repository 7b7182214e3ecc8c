"""A site's table whose columns are of other types: taken where the bytes are the same, refused where they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.migration import site
from watcher.clickhouse.columns import ColumnTypeError, check_types
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.model.metric_columns import METRIC_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client


@pytest.fixture(autouse=True)
def events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first migration alone, which is about the table in question."""
    known = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: known[:1])


def migrated(client: Client, before: str, after: str) -> Client:
    """A site whose table has one column's type changed, and our columns."""
    ddl = site.DDL[0].rstrip(";")
    assert before in ddl
    client.command(ddl.replace(before, after))
    for text in site.DDL[1:]:
        client.command(text.rstrip(";").format(database=client.database))
    migrate.up(client, Deployment(), margin=0.1)
    return client


def test_a_new_table_has_the_columns_that_are_sent(new_database: Callable[[], Client]) -> None:
    """None is forgotten, and each has the very type that its values are packed for."""
    client = new_database()
    migrate.up(client, Deployment(), margin=0.1)
    asked = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'entityMetricEvents'"
    types = dict(client.query(asked).result_rows)

    assert {column.name: types.get(column.name) for column in METRIC_COLUMNS} == {
        column.name: column.type for column in METRIC_COLUMNS
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("userId     Int32", "userId     Int32"),
        ("metricType LowCardinality(String)", "metricType String"),
        ("createdAt  DateTime64(3)", "createdAt  DateTime64(3, 'Asia/Tokyo')"),
    ],
)
def test_the_same_bytes_are_taken(client: Client, before: str, after: str) -> None:
    """The site's own types, and those that are written alike."""
    check_types(migrated(client, before, after))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("metricValue Int32", "metricValue Int64", "metricValue is Int64, expected Int32"),
        ("userId     Int32", "userId     Nullable(Int32)", "userId is Nullable(Int32), expected Int32"),
        ("createdAt  DateTime64(3)", "createdAt  DateTime64(6)", r"createdAt is DateTime64(6), expected DateTime64(3)"),
    ],
)
def test_other_bytes_are_refused(client: Client, before: str, after: str, said: str) -> None:
    """The column, what it is, what it should be, and the statement that mends it."""
    with pytest.raises(ColumnTypeError) as refused:
        check_types(migrated(client, before, after))

    assert said in str(refused.value)
    assert "ALTER TABLE entityMetricEvents MODIFY COLUMN" in str(refused.value)
