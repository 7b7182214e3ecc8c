"""What the token of an insert does: to the raw table, to its views, and when there is no window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

PLANNED = {"async_insert": 0, "deduplicate_blocks_in_dependent_materialized_views": 1}


def make_tables(client: Client, *, raw_window: int, view_window: int) -> None:
    """A raw table with a summing view, each with a deduplication window of its own."""
    client.command(
        "CREATE TABLE raw (id Int32, value Int64) ENGINE = MergeTree ORDER BY id "
        f"SETTINGS non_replicated_deduplication_window = {raw_window}"
    )
    client.command(
        "CREATE TABLE totals (id Int32, value Int64) ENGINE = SummingMergeTree ORDER BY id "
        f"SETTINGS non_replicated_deduplication_window = {view_window}"
    )
    client.command(
        "CREATE MATERIALIZED VIEW totals_mv TO totals AS SELECT id, sum(value) AS value FROM raw GROUP BY id"
    )


def insert(client: Client, token: str, ids: list[int]) -> None:
    """One planned insert."""
    columns = [ids, [1] * len(ids)]
    settings = {**PLANNED, "insert_deduplication_token": token}
    client.insert("raw", columns, column_names=["id", "value"], column_oriented=True, settings=settings)


def counted(client: Client) -> tuple[int, int]:
    """Rows in raw, and the sum that the view has."""
    return client.command("SELECT count() FROM raw"), client.command("SELECT sum(value) FROM totals")


def test_a_token_counts_once_in_raw_and_view(client: Client) -> None:
    """The same insert sent three times is one insert, in the table and in its view."""
    make_tables(client, raw_window=100, view_window=100)
    for _ in range(3):
        insert(client, "plan-1", [1, 2, 3])

    assert counted(client) == (3, 3)


def test_another_token_is_another_insert(client: Client) -> None:
    """Equal rows under two tokens count twice: the token decides, not the content."""
    make_tables(client, raw_window=100, view_window=100)
    insert(client, "plan-1", [1, 2, 3])
    insert(client, "plan-2", [1, 2, 3])

    assert counted(client) == (6, 6)


def test_a_token_says_nothing_of_other_content(client: Client) -> None:
    """Different rows under a token that was used are dropped with success, which is why success proves nothing."""
    make_tables(client, raw_window=100, view_window=100)
    insert(client, "plan-1", [1])
    insert(client, "plan-1", [7, 8, 9])

    assert counted(client) == (1, 1)


def test_without_a_window_the_token_is_ignored(client: Client) -> None:
    """Negative control: with the default window of 0 the same insert counts twice."""
    make_tables(client, raw_window=0, view_window=0)
    insert(client, "plan-1", [1, 2, 3])
    insert(client, "plan-1", [1, 2, 3])

    assert counted(client) == (6, 6)


def test_every_view_target_needs_a_window_of_its_own(client: Client) -> None:
    """Negative control: a target without a window doubles although the raw table does not."""
    make_tables(client, raw_window=100, view_window=0)
    insert(client, "plan-1", [1, 2, 3])
    insert(client, "plan-1", [1, 2, 3])

    assert counted(client) == (3, 6)


@pytest.mark.parametrize(("window", "expected"), [(3, 5), (10, 4)])
def test_the_window_counts_inserts(client: Client, window: int, expected: int) -> None:
    """A token is forgotten after as many inserts as the window is wide: 1 + 3 others, and the first once more."""
    make_tables(client, raw_window=window, view_window=window)
    for token in ("a", "b", "c", "d", "a"):
        insert(client, token, [1])

    assert (expected, expected) == counted(client)
