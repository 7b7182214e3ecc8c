"""What tables do: partitions attached past the views, Buffer tables, projections, columns added later."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def test_attached_rows_do_not_reach_the_views(client: Client) -> None:
    """ATTACH PARTITION ... FROM puts rows into a table whose views never see them."""
    client.command("CREATE TABLE raw (id Int32) ENGINE = MergeTree ORDER BY id")
    client.command("CREATE TABLE staging AS raw")
    client.command("CREATE TABLE totals (n UInt64) ENGINE = SummingMergeTree ORDER BY tuple()")
    client.command("CREATE MATERIALIZED VIEW totals_mv TO totals AS SELECT count() AS n FROM raw")
    client.command("INSERT INTO raw VALUES (1)")
    client.command("INSERT INTO staging VALUES (2), (3)")
    client.command("ALTER TABLE raw ATTACH PARTITION tuple() FROM staging")

    assert client.query("SELECT (SELECT count() FROM raw), (SELECT sum(n) FROM totals)").result_rows == [(3, 1)]


def test_a_buffer_shows_its_rows_and_gives_them_up_when_flushed(client: Client, database: str) -> None:
    """Rows in a Buffer table are read through it at once and reach the table with OPTIMIZE."""
    client.command("CREATE TABLE votes (id Int32, note String DEFAULT 'none') ENGINE = MergeTree ORDER BY id")
    client.command(
        f"CREATE TABLE votes_buffer AS votes ENGINE = Buffer({database}, votes, 1, 100, 100, 10000, 10000, 1e7, 1e7)"
    )
    client.command("INSERT INTO votes_buffer (id) VALUES (1)")
    before = client.query("SELECT (SELECT count() FROM votes_buffer), (SELECT count() FROM votes)").result_rows
    client.command("OPTIMIZE TABLE votes_buffer")

    assert before == [(1, 0)]
    assert client.query("SELECT * FROM votes").result_rows == [(1, "none")]


def test_a_projection_answers_a_range_of_another_order(client: Client) -> None:
    """A query by LSN reads the projection and not the table."""
    client.command("CREATE TABLE raw (id Int32, lsn UInt64, hash FixedString(2)) ENGINE = MergeTree ORDER BY id")
    client.command("ALTER TABLE raw ADD PROJECTION IF NOT EXISTS by_lsn (SELECT lsn, hash ORDER BY lsn)")
    client.command("INSERT INTO raw SELECT number, 1000000 - number, 'ab' FROM numbers(100000)")

    plan = client.query("EXPLAIN projections = 1 SELECT hash FROM raw WHERE lsn BETWEEN 500000 AND 500010").result_rows
    assert any("by_lsn" in line for (line,) in plan)
    assert client.command("SELECT count() FROM raw WHERE lsn BETWEEN 900010 AND 900020") == 11


def test_an_added_column_shows_its_default_and_then_the_new_one(client: Client) -> None:
    """A column made solid for old rows keeps its value when the default for new rows changes."""
    client.command("CREATE TABLE raw (id Int32) ENGINE = MergeTree ORDER BY id")
    client.command("INSERT INTO raw VALUES (1)")
    client.command("ALTER TABLE raw ADD COLUMN IF NOT EXISTS at DateTime64(3) DEFAULT toDateTime64(0, 3)")
    client.command("ALTER TABLE raw MATERIALIZE COLUMN at", settings={"mutations_sync": 2})
    client.command("ALTER TABLE raw MODIFY COLUMN at DateTime64(3) DEFAULT now64(3)")
    client.command("INSERT INTO raw (id) VALUES (2)")

    asked = "SELECT id, at > now64(3) - 3600 FROM raw ORDER BY id"
    assert client.query(asked).result_rows == [(1, 0), (2, 1)]


def test_tables_and_databases_are_atomic(client: Client) -> None:
    """Two tables change places in one step."""
    client.command("CREATE TABLE a (id Int32) ENGINE = MergeTree ORDER BY id")
    client.command("CREATE TABLE b AS a")
    client.command("INSERT INTO a VALUES (1)")
    client.command("EXCHANGE TABLES a AND b")

    assert client.query("SELECT (SELECT count() FROM a), (SELECT count() FROM b)").result_rows == [(0, 1)]
