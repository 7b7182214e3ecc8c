"""One test's own corner of the shared parts: topic, group, database, schema, and the watchers that it starts."""

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import redis
from clickhouse_connect.driver.client import Client
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

from stack.topology import Stack
from tests import command
from tests.acceptance.daemon import REPOSITORY, Daemon
from tests.acceptance.history import History
from tests.acceptance.oracle import verdict
from tests.awaiting import PATIENCE_SECONDS, await_that
from tests.clickhouse_clients import ClickHouseClients
from tests.clickhouse_template import copy_template
from tests.contract.redis.rows import folded, state
from watcher.migrations.postgres.migrate import ensure
from watcher.redis.client import open_client
from watcher.redis.sink import RedisSink

SESSION_SECONDS = 6
"""Seconds of the group's session: the shortest that a broker allows by default."""

REDIS_DATABASES = 16
_NUMBERS = count()


class Record(Protocol):
    """What can be produced."""

    @property
    def key(self) -> bytes: ...
    @property
    def value(self) -> bytes: ...
    @property
    def entry(self) -> int: ...


class World:
    """Topic, group, database and schema that no other test has.

    Args:
        stack: the parts, running.
        folder: for logs.
        partitions: of the topic.
        settings: of the topic.
    """

    def __init__(self, stack: Stack, folder: Path, partitions: int = 1, **settings: str) -> None:
        self.name = f"t{uuid.uuid4().hex[:10]}"
        self.stack, self.folder = stack, folder
        self.topic, self.group, self.letters_topic = f"{self.name}.CrucibleEntry", self.name, f"{self.name}.dlq"
        self.history = History()
        self._daemons: list[Daemon] = []
        self.admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap_servers, "log_level": 0})
        # It joins nothing; an administrator's question after a new group's offsets ends the process
        # (confluentinc/librdkafka#5040).
        servers = stack.kafka.bootstrap_servers
        self._observer = Consumer({"bootstrap.servers": servers, "group.id": self.group, "log_level": 0})
        self._producer = self._new_producer()
        self._clients = ClickHouseClients(stack.endpoints)
        copy_template(self._clients.of("default"), self.name)
        ensure(str(stack.endpoints.postgres_dsn), self.name)
        url = f"{str(stack.endpoints.redis_url).rpartition('/')[0]}/{next(_NUMBERS) % REDIS_DATABASES}"
        self.redis: redis.Redis = redis.Redis.from_url(url)
        self.redis.flushdb()
        self.environ = {
            **stack.environ(),
            "CRUCIBLE_REDIS__URL": url,
            "CRUCIBLE_KAFKA__TOPICS": self.topic,
            "CRUCIBLE_KAFKA__HEARTBEAT_TOPIC": "",
            "CRUCIBLE_KAFKA__GROUP": self.group,
            "CRUCIBLE_KAFKA__SESSION_TIMEOUT": str(SESSION_SECONDS),
            "CRUCIBLE_CLICKHOUSE__DATABASE": self.name,
            "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": self.name,
            "CRUCIBLE_DEAD_LETTERS__TOPIC": self.letters_topic,
            "CRUCIBLE_BATCH__FLUSH_INTERVAL": "0.2",
            # Small batches, so that a stream of a thousand changes is a dozen plans.
            "CRUCIBLE_BATCH__POLL_RECORDS": "100",
            "CRUCIBLE_BATCH__MAX_ROWS": "200",
            "CRUCIBLE_ENTRIES__MODE": "observe",  # of no test here
            "CRUCIBLE_OPS__HOST": "127.0.0.1",
            "CRUCIBLE_OPS__PORT": "0",
            "CRUCIBLE_LOG__LEVEL": "debug",
            "CRUCIBLE_LOG__FORMAT": "json",
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        self.make_topic(partitions, **settings)
        self._open_crucibles(url)

    # -- the watcher --------------------------------------------------------------------------------------------------

    def start(self, *, module: tuple[str, ...] = ("watcher", "run"), **environ: str) -> Daemon:
        """Start a watcher; keywords are settings without their prefix, or a fail point."""
        daemon = Daemon({**self.environ, **_named(environ)}, self.folder, module)
        self._daemons.append(daemon)
        return daemon

    def weakened(self, what: str, **environ: str) -> Daemon:
        """Start a watcher with one of its protections switched off."""
        return self.start(module=("tests.acceptance.weakened", what), **environ)

    def crucible(self, *arguments: str, **environ: str) -> command.Done:
        """Run the command as a person would."""
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        return command.crucible(*arguments, environ={**own, **self.environ, **_named(environ)}, folder=REPOSITORY)

    def close(self) -> None:
        """End what was started here."""
        for daemon in self._daemons:
            daemon.kill()
        self.redis.close()
        self._observer.close()
        with self.clickhouse("default") as client:
            client.command(f"DROP DATABASE IF EXISTS {self.name} SYNC")
        self._clients.close()

    # -- the stream ---------------------------------------------------------------------------------------------------

    def make_topic(self, partitions: int = 1, name: str | None = None, **settings: str) -> None:
        """Create the topic, or another."""
        name = name or self.topic
        self.admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(30)
        await_that(lambda: self._count(name) == partitions, f"topic {name}")

    def delete_topic(self) -> None:
        """Delete the topic."""
        self.admin.delete_topics([self.topic])[self.topic].result(30)
        await_that(lambda: self._count(self.topic) == 0, "the topic to go")
        self._producer = self._new_producer()

    def grow_topic(self, partitions: int) -> None:
        """Give the topic more partitions."""
        self.admin.create_partitions([NewPartitions(self.topic, partitions)])[self.topic].result(30)
        await_that(lambda: self._count(self.topic) == partitions, "more partitions")
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        """One that knows the topic as it is now; an older one may go by what it was."""
        servers = self.stack.kafka.bootstrap_servers
        return Producer({"bootstrap.servers": servers, "log_level": 0, "linger.ms": 5, "message.max.bytes": 20_000_000})

    def produce(self, records: Iterable[Record], topic: str | None = None) -> None:
        """Send records; the key decides about the partition."""
        topic = topic or self.topic
        partitions = self._count(topic)
        for record in records:
            self._producer.produce(topic, record.value, record.key, partition=record.entry % partitions)
            self._producer.poll(0)
        assert self._producer.flush(PATIENCE_SECONDS) == 0

    def abort(self, records: Iterable[Record]) -> None:
        """Send records in a transaction that is given up: they take offsets and nobody may read them."""
        servers = self.stack.kafka.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "log_level": 0, "transactional.id": self.name})
        producer.init_transactions(30)
        producer.begin_transaction()
        for record in records:
            producer.produce(self.topic, record.value, record.key, partition=0)
        assert producer.flush(30) == 0
        end = self.ends()[0]
        producer.abort_transaction(30)
        await_that(lambda: self.ends()[0] == end + 1, "the mark that the transaction was given up")

    def produce_value(
        self, value: bytes | None, key: bytes | None = None, topic: str | None = None, **more: Any
    ) -> None:
        """Send bytes to the first partition."""
        self._producer.produce(topic or self.topic, value, key, partition=0, **more)
        assert self._producer.flush(PATIENCE_SECONDS) == 0

    def letters(self, topic: str | None = None) -> list[Message]:
        """Every record of the dead-letter topic."""
        reader = Consumer(
            {
                "bootstrap.servers": self.stack.kafka.bootstrap_servers,
                "group.id": f"{self.name}.reader",
                "fetch.message.max.bytes": 20_000_000,
            }
        )
        name, found = topic or self.letters_topic, []
        try:
            for partition in range(self._count(name)):
                _, high = reader.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
                reader.assign([TopicPartition(name, partition, 0)])
                while len(found) < high:
                    found += [message for message in reader.consume(1000, 1.0) if message.error() is None]
        finally:
            reader.close()
        return found

    # -- what came of it ----------------------------------------------------------------------------------------------

    def await_acknowledged(self, timeout: float = PATIENCE_SECONDS, *watchers: Daemon) -> None:
        """Wait until the group has committed the end of every partition, with no plan open."""
        last: list[str] = []

        def told() -> str:
            return " ".join([*last, *(daemon.last_words() for daemon in watchers or self._daemons[-1:])])

        def done() -> bool:
            last[:] = self.outstanding()
            return not last or not any(daemon.is_alive() for daemon in watchers or self._daemons)

        await_that(done, "everything acknowledged", timeout, told)
        assert not last, f"no watcher runs, and there is work left: {told()}"

    def outstanding(self) -> list[str]:
        """What the group has not acknowledged yet."""
        try:
            ends = self.ends()
            committed = self.committed()
        except (KafkaException, TimeoutError) as error:
            return [str(error)]
        found = []
        for number, end in ends.items():
            offset, metadata = committed.get(number, (0, ""))
            if offset < end or (metadata and f'"end":{offset}' not in metadata):
                found.append(f"[{number}] holds {end}, committed {offset} {metadata}")
        return found

    def ends(self) -> dict[int, int]:
        """The next offset of every partition."""
        wanted = {TopicPartition(self.topic, number): OffsetSpec.latest() for number in range(self._count(self.topic))}
        asked = self.admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=5)
        return {place.partition: answer.result(6).offset for place, answer in asked.items()}

    def committed(self) -> dict[int, tuple[int, str]]:
        """The group's offset and its metadata by partition."""
        places = [TopicPartition(self.topic, number) for number in range(self._count(self.topic))]
        return {
            one.partition: (one.offset, one.metadata or "")
            for one in self._observer.committed(places, timeout=5)
            if one.offset >= 0
        }

    def members(self) -> int:
        """Members of the group."""
        asked = self.admin.describe_consumer_groups([self.group], request_timeout=5)
        return len(asked[self.group].result(6).members)

    def move_group(self, offset: int, partitions: Iterable[int] = (0,)) -> None:
        """Set the group's offsets as any tool would, without metadata. The group must be empty."""
        places = [TopicPartition(self.topic, number, offset) for number in partitions]
        asked = self.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(self.group, places)])
        asked[self.group].result(10)

    def commit_plan(self, start: int, end: int) -> None:
        """Commit a place in the first partition with an open plan, as a watcher that was killed leaves it."""
        asked = self.admin.describe_topics(TopicCollection([self.topic]))
        plan = {"plan": 1, "topic": str(asked[self.topic].result(10).topic_id), "end": end}
        consumer = Consumer({"bootstrap.servers": self.stack.kafka.bootstrap_servers, "group.id": self.group})
        consumer.commit(offsets=[TopicPartition(self.topic, 0, start, json.dumps(plan))], asynchronous=False)
        consumer.close()

    def delete_group(self) -> None:
        """Delete the group with its offsets. It must be empty."""
        self.admin.delete_consumer_groups([self.group])[self.group].result(10)

    def verdict(self) -> list[str]:
        """Every disagreement between the site and the sinks."""
        with self.clickhouse() as client:
            return verdict(self.history, client, self.redis)

    def rows(self) -> int:
        """Rows of the raw table; 0 while ClickHouse is away."""
        return self.number("SELECT count() FROM entityMetricEvents")

    def number(self, query: str) -> int:
        """One number from ClickHouse."""
        with self.clickhouse() as client:
            return int(client.query(query).result_rows[0][0])

    @contextmanager
    def clickhouse(self, database: str | None = None) -> Iterator[Client]:
        """A client of the test's database."""
        yield self._clients.of(database or self.name)

    def _open_crucibles(self, url: str) -> None:
        """Have Redis hold the crucibles, as after their own rows; of others no entries are shown."""
        states = folded((1, state(number)) for number in range(1, self.history.crucibles + 1))
        sink = RedisSink(open_client(url, cluster=False, timeout=5.0))
        assert sink.apply(states, 1).rows == self.history.crucibles
        sink.close()

    def _count(self, topic: str) -> int:
        found = self.admin.list_topics(topic, timeout=10).topics[topic]
        return 0 if found.error else len(found.partitions)


def _named(environ: Mapping[str, str]) -> dict[str, str]:
    return {f"CRUCIBLE_{name.upper()}": value for name, value in environ.items()}
