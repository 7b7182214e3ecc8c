"""A change goes all the way through the real parts, before and after each was killed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import psycopg
import pytest
from confluent_kafka import Consumer

from tests.awaiting import await_that
from tests.stack.watching import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stack import Stack

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
    own["poll.interval.ms"] = "100"  # as shipped it costs an eighth of a processor for as long as it is there
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
def reader(stack: Stack) -> Iterator[Consumer]:
    """Give a reader of committed messages, of a connector that runs on the stack and is gone afterwards."""
    with psycopg.connect(stack.postgres.dsn) as connection:
        connection.execute(PREPARATION)
    ask("PUT", f"{stack.connect.url}/connectors/notes/config", connector())
    await_that(lambda: task_state(stack) == "RUNNING", "the task runs", 60)
    insert(stack, 1)
    consumer = Consumer(
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
    consumer.subscribe([TOPIC])
    yield consumer
    consumer.close()
    ask("DELETE", f"{stack.connect.url}/connectors/notes")


def ask(method: str, url: str, body: dict[str, str] | None = None) -> None:
    """Send a request to Kafka Connect that it must take."""
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, method=method)  # noqa: S310
    request.add_header("Content-Type", "application/json")
    DIRECTLY.open(request, timeout=30).close()


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


def test_a_change_flows_after_every_part_was_killed(stack: Stack, reader: Consumer) -> None:
    """Each row arrives once, though every part on its way was killed between the two, Connect twice."""
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
