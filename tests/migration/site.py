"""A site that was there first: its tables in the exact form of its own DDL, its rows, its ways to insert."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

DDL = (
    """
CREATE TABLE entityMetricEvents (
  entityType LowCardinality(String),
  entityId   Int32,
  userId     Int32,
  metricType LowCardinality(String),
  metricValue Int32,
  createdAt  DateTime64(3)
) ENGINE = MergeTree() ORDER BY (entityType, entityId, createdAt);""",
    """
CREATE TABLE crucible_entry_rating (
  crucible_id UInt32,
  winner_entry_id UInt32,
  loser_entry_id UInt32,
  user_id UInt32,
  created_at DateTime DEFAULT now()
) ENGINE = MergeTree()
PARTITION BY toYYYYMM(created_at)
ORDER BY (crucible_id, created_at)
TTL created_at + INTERVAL 90 DAY;""",
    """
CREATE TABLE crucible_entry_rating_buffer AS crucible_entry_rating
ENGINE = Buffer({database}, crucible_entry_rating, 16, 10, 100, 10000, 1000000, 10000000, 100000000);""",
)


def make_tables(client: Client) -> None:
    """What the site did before anybody thought of a watcher."""
    for text in DDL:
        client.command(text.rstrip(";").format(database=client.database))


def add_rows(client: Client, count: int = 500) -> None:
    """Rows of the past: metric events of several entities and votes of several crucibles."""
    client.command(
        "INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt) "
        "SELECT ['Crucible', 'User'][number % 2 + 1], number % 7, number, ['Entry', 'Vote'][number % 3 % 2 + 1], "
        "if(number % 5 = 0, -1, 1), now64(3) - number FROM numbers({count:UInt32})",
        parameters={"count": count},
    )
    client.command(
        "INSERT INTO crucible_entry_rating (crucible_id, winner_entry_id, loser_entry_id, user_id, created_at) "
        "SELECT number % 5, number % 11, 11 + number % 3, number % 17, now() - number FROM numbers({count:UInt32})",
        parameters={"count": count},
    )


EVENT = b'{"entityType":"Crucible","entityId":1,"userId":2,"metricType":"Vote","metricValue":1,"createdAt":"%s"}'
VOTE = b'{"crucible_id":1,"winner_entry_id":2,"loser_entry_id":3,"user_id":4}'


def insert_as_the_site_does(client: Client) -> None:
    """Each of the site's own ways once: a tracked metric, a vote, a vote through the Buffer table."""
    client.raw_insert("entityMetricEvents", insert_block=EVENT % b"2025-06-01T12:00:00.123Z", fmt="JSONEachRow")
    client.raw_insert("crucible_entry_rating", insert_block=VOTE, fmt="JSONEachRow")
    client.raw_insert("crucible_entry_rating_buffer", insert_block=VOTE, fmt="JSONEachRow")


PAUSE_SECONDS = 0.1
"""Seconds between two rounds of the writer: without one, its thousands of parts are what a test is busy with."""


@contextmanager
def writing(client: Client) -> Iterator[None]:
    """Keep inserting in the site's ways from another thread, until the block is left; at least once after that."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            while not stop.is_set():
                insert_as_the_site_does(client)
                stop.wait(PAUSE_SECONDS)
            insert_as_the_site_does(client)
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join(60)
    if failures:
        raise failures[0]
