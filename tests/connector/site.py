"""A site under test: its database, its connector, what the connector sent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

from stack import Stack
from tests import command
from tests.awaiting import PATIENCE_SECONDS, await_that
from watcher.admin.connector.rest import Connect

CRUCIBLE = """INSERT INTO "Crucible" (id, "userId", name, status, "updatedAt") VALUES (%s, 1, 'c', 'Active', now())"""
ENTRY = """INSERT INTO "CrucibleEntry" (id, "crucibleId", "userId", "imageId") VALUES (%s, %s, 2, 1)"""


def crucible(*arguments: str, **environ: str) -> command.Done:
    """Run the command as a person would."""
    return command.crucible(*arguments, environ={"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "200", **environ})


@dataclass(frozen=True, slots=True)
class Site:
    """A database whose name is also the connector's and the slot's."""

    name: str
    dsn: str
    parts: Stack

    @property
    def pairs(self) -> list[str]:
        """What is laid over a shipped connector file, as ``key=value``."""
        return [f"database.dbname={self.name}", f"slot.name={self.name}"]

    @property
    def overlay(self) -> list[str]:
        """The same as arguments, with the connector's name."""
        return ["--name", self.name, *(part for pair in self.pairs for part in ("--set", pair))]

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """As the administrator."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            yield connection

    @contextmanager
    def worker(self) -> Iterator[Connect]:
        """Kafka Connect."""
        yield Connect(str(self.parts.endpoints.connect_url), 30.0)

    def await_streaming(self, slot: str | None = None) -> None:
        """Wait until a connector streams: what is written from now on is not part of its snapshot."""
        wanted = slot or self.name
        with self.database() as connection:
            await_that(lambda: self._active(connection, wanted), f"somebody to stream from slot {wanted}")

    def records(self, topic: str, wanted: int, part_of_value: bytes | None = None) -> list[Message]:
        """The first so many records of a topic; fewer if they do not come.

        Only this site's, which name its database, or those with a given part in their value.
        """
        part = self.name.encode() if part_of_value is None else part_of_value
        consumer = Consumer(
            {
                "bootstrap.servers": str(self.parts.endpoints.bootstrap_servers),
                "group.id": "of-a-test",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        found: list[Message] = []
        until = time.monotonic() + PATIENCE_SECONDS
        try:
            while len(found) < wanted and time.monotonic() < until:
                if not consumer.assignment():
                    partitions = consumer.list_topics(timeout=10).topics.get(topic)
                    if partitions is None or not partitions.partitions:
                        consumer.poll(0.1)
                        continue
                    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions.partitions])
                found += [
                    message
                    for message in consumer.consume(500, timeout=0.2)
                    if message.error() is None and part in (message.value() or b"")
                ]
        finally:
            consumer.close()
        return found

    def _active(self, connection: psycopg.Connection[Any], slot: str) -> bool:
        row = connection.execute("SELECT active FROM pg_replication_slots WHERE slot_name = %s", (slot,)).fetchone()
        return row == (True,)

    def close(self) -> None:
        """Remove the connectors and slots of this site."""
        with self.database() as connection:
            slots = connection.execute("SELECT slot_name FROM pg_replication_slots WHERE database = %s", (self.name,))
            names = [str(slot) for (slot,) in slots]
        for name in {self.name, *names}:
            self._remove(name)

    def _remove(self, name: str) -> None:
        with self.worker() as worker:
            worker.delete(name)
        with self.database() as connection:
            await_that(lambda: not self._active(connection, name), f"the deleted connector {name} to leave its slot")
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (name,)
            )
