"""What the tests of a person's commands share: the real parts."""

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from demo.pipeline import Pipeline
from stack import Stack
from tests import command
from tests.pipeline.running import SELDOM
from tests.stack.watching import provided


@pytest.fixture(scope="package")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All parts, once for these tests; each has topics and groups of its own."""
    with provided():
        stack = Stack(tmp_path_factory.mktemp("operations"))
        stack.start()
    yield stack
    stack.close()


@pytest.fixture(scope="package")
def pipeline(parts: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The whole way, prepared as an administrator prepares it, with Debezium streaming and the watcher following."""
    with Pipeline(parts, tmp_path_factory.mktemp("pipeline"), lambda _: None, overlay=SELDOM) as running:
        yield running


@pytest.fixture
def client(parts: Stack) -> dict[str, Any]:
    return {"bootstrap.servers": parts.kafka.bootstrap_servers}


class Site:
    """A topic, a group and a dead-letter topic that no other test has, and the command line pointed at them."""

    def __init__(self, parts: Stack) -> None:
        name = uuid.uuid4().hex[:12]
        self.topic, self.group, self.letters = f"{name}.Crucible", f"group-{name}", f"{name}.dlq"
        self.client: dict[str, Any] = {"bootstrap.servers": parts.kafka.bootstrap_servers}
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("CRUCIBLE_")},
            **parts.environ(),
            "CRUCIBLE_KAFKA__TOPICS": self.topic,
            "CRUCIBLE_KAFKA__GROUP": self.group,
            "CRUCIBLE_DEAD_LETTERS__TOPIC": self.letters,
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }

    def make_topic(self, name: str, partitions: int = 2, **settings: str) -> None:
        admin = AdminClient(self.client)  # it answers only as long as it lives
        asked = admin.create_topics([NewTopic(name, partitions, 1, config=settings)])
        asked[name].result(30)

    def produce(self, records: int, partition: int = 0) -> None:
        producer = Producer(self.client)
        for number in range(records):
            producer.produce(self.topic, b"{}", partition=partition, timestamp=1_000_000 + number * 1_000)
        assert producer.flush(30) == 0

    def crucible(self, *arguments: str) -> command.Done:
        """Run the command as a person would."""
        return command.crucible(*arguments, environ=self.environ)


@pytest.fixture
def site(parts: Stack) -> Site:
    return Site(parts)
