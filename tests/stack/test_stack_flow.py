"""A change goes all the way through the real parts, before and after each was killed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import psycopg
import pytest
from confluent_kafka import Consumer

from stack import EVERYTHING, Stack
from tests.stack.watching import REPOSITORY, await_that, provided

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
TOPIC = "postgres.Note"
PREPARATION = """
CREATE TABLE "Note" (id int PRIMARY KEY, text text NOT NULL);
CREATE PUBLICATION notes FOR TABLE "Note";
GRANT USAGE ON SCHEMA public TO crucible_debezium;
GRANT SELECT ON "Note" TO crucible_debezium;
"""


def connector() -> dict[str, str]:
    """Return the shipped connector, pointed at a table of this test's own, without what needs other tables."""
    config: dict[str, str] = json.loads((REPOSITORY / "debezium" / "connector.json").read_text())["config"]
    own = {"table.include.list": "public.Note", "publication.name": "notes", "topic.creation.default.partitions": "1"}
    foreign = "heartbeat.interval.ms", "heartbeat.action.query", "signal.data.collection"
    return {key: value for key, value in (config | own).items() if key not in foreign}


def task_state(stack: Stack) -> str:
    """Return the state of the connector's task, or an empty string."""
    try:
        with DIRECTLY.open(f"{stack.connect.url}/connectors/notes/status", timeout=5) as answer:
            tasks = json.load(answer)["tasks"]
    except OSError:
        return ""
    return tasks[0]["state"] if tasks else ""


def insert(stack: Stack, number: int) -> None:
    """Commit one row."""
    with psycopg.connect(stack.postgres.dsn) as connection:
        connection.execute('INSERT INTO "Note" VALUES (%s, %s)', (number, f"text {number}"))


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[tuple[Stack, Consumer]]:
    """Give a stack whose connector runs, and a reader of committed messages."""
    with provided(), Stack(tmp_path / "stack", EVERYTHING) as stack:
        with psycopg.connect(stack.postgres.dsn) as connection:
            connection.execute(PREPARATION)
        url = f"{stack.connect.url}/connectors/notes/config"
        put = urllib.request.Request(url, json.dumps(connector()).encode(), method="PUT")  # noqa: S310
        put.add_header("Content-Type", "application/json")
        DIRECTLY.open(put, timeout=30).close()
        await_that(lambda: task_state(stack) == "RUNNING", "the task runs", 60)
        insert(stack, 1)
        reader = Consumer(
            {
                "bootstrap.servers": stack.kafka.bootstrap_servers,
                "group.id": "reader",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "topic.metadata.refresh.interval.ms": 500,
                "allow.auto.create.topics": False,
                "log_level": 0,
            }
        )
        reader.subscribe([TOPIC])
        yield stack, reader
        reader.close()


def read_until(reader: Consumer, text: bytes) -> list[bytes]:
    """Read values until one holds the text."""
    values: list[bytes] = []

    def arrived() -> bool:
        message = reader.poll(0.5)
        if message is not None and message.error() is None and message.value():
            values.append(message.value())
        return any(text in value for value in values)

    await_that(arrived, f"{text!r} arrives", 90)
    return values


def test_a_change_flows_after_every_part_was_killed(flow: tuple[Stack, Consumer]) -> None:
    """Each row arrives once, though every part on its way was killed between the two, Connect twice."""
    stack, reader = flow
    first = read_until(reader, b"text 1")

    stack.connect.kill()
    for part in stack.parts:
        part.kill()
    for part in stack.parts:
        part.start()
    for part in stack.parts:
        part.await_ready(90)
    await_that(lambda: task_state(stack) == "RUNNING", "the task runs again", 90)
    insert(stack, 2)
    second = read_until(reader, b"text 2")

    assert [b"text 1" in value for value in first] == [True]
    assert [b"text 2" in value for value in second] == [True]
