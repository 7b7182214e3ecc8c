"""What the tests of a person's commands share: the real parts."""

import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from demo.pipeline import WATCHER_ROLE, Pipeline
from stack import Stack
from tests import command
from tests.awaiting import await_that
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
def followed(parts: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The whole way, prepared as an administrator prepares it, with Debezium streaming and the watcher following."""
    with Pipeline(parts, tmp_path_factory.mktemp("pipeline"), lambda _: None, overlay=SELDOM) as running:
        yield running


def assert_followed(pipeline: Pipeline) -> None:
    """Fail with the watcher's last words where it has ended: whatever waits for it would tell of something else."""
    assert pipeline.watcher.is_alive(), f"the watcher has ended. {pipeline.watcher.last_words()}"


@pytest.fixture
def pipeline(followed: Pipeline) -> Iterator[Pipeline]:
    """The pipeline that these tests share; the watcher lives before a test and after it."""
    assert_followed(followed)
    yield followed
    assert_followed(followed)


@pytest.fixture
def unseen(pipeline: Pipeline) -> Iterator[None]:
    """The watcher stands still during the test, so that it cannot see what the test breaks.

    It would be right to end where PostgreSQL seems to be another one, or to note that tables need a comparison; and it
    might write rows into a column of another type. It is held between two transactions: its locks would last as long.
    """
    under_way = "SELECT 1 FROM pg_stat_activity WHERE usename = %s AND xact_start IS NOT NULL"

    def held() -> bool:
        pipeline.watcher.send(signal.SIGSTOP)
        if not connection.execute(under_way, [WATCHER_ROLE]).fetchall():
            return True
        pipeline.watcher.send(signal.SIGCONT)
        return False

    with pipeline.connect() as connection:
        connection.autocommit = True
        await_that(held, "the watcher between two transactions", told=pipeline.watcher.last_words)
    yield
    pipeline.watcher.send(signal.SIGCONT)


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
