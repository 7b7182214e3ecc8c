"""What Debezium really delivered: a reader of the topics beside the watcher, which it shares nothing with."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.pipeline.running import TABLES

if TYPE_CHECKING:
    from tests.pipeline.running import Kind

PARTITIONS = 3
"""Of each topic, by the connector file."""
AT_ONCE = 5000
IDLE = 0.3
"""Seconds to wait for more records."""

Change = tuple[str, int, str, int, int]
"""Table, key, operation, log position and commit time in microseconds."""


class Tape:
    """Records of both topics from the first on, committed ones only, tallied as they come.

    Args:
        bootstrap_servers: of Kafka.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self.delivered: Counter[Kind] = Counter()
        """Changes delivered, each as often as it came."""
        self.changes: set[Change] = set()
        """Changes delivered, each once."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "tape",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        self._assigned: set[str] = set()
        self._read_to: dict[tuple[str | None, int | None], int] = {}
        """Next offset of each partition."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    @property
    def repeated(self) -> int:
        """Deliveries of a change that had been delivered before."""
        return self.delivered.total() - len(self.changes)

    @property
    def distinct(self) -> Counter[Kind]:
        """Changes delivered, each once, by kind."""
        return Counter((table, operation) for table, _, operation, _, _ in self.changes)

    def wind(self) -> int:
        """Read on, a little or a lot; how many changes were delivered so far."""
        self._find()
        for record in self._consumer.consume(AT_ONCE, IDLE):
            value, error = record.value(), record.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                # A partition's end is told with the offset after the last record, a transaction's marks included.
                self._read_to[record.topic(), record.partition()] = record.offset() + (error is None)
            if record.error() is None and value is not None:
                self._note(json.loads(value))
        return self.delivered.total()

    def wind_to_end(self, patience: float) -> None:
        """Read all that the topics hold now; partitions are read at their own pace, so one record proves no other.

        Raises:
            TimeoutError: it was not read within so many seconds.
        """
        self._find()
        ends = {at: self._consumer.get_watermark_offsets(TopicPartition(*at), 10)[1] for at in self._places()}
        until = time.monotonic() + patience
        while any(self._read_to.get(at, 0) < end for at, end in ends.items()):
            if time.monotonic() > until:
                raise TimeoutError(f"read to {self._read_to} of {ends}")
            self.wind()

    def _places(self) -> list[tuple[str, int]]:
        return [(topic, number) for topic in sorted(self._assigned) for number in range(PARTITIONS)]

    def _note(self, envelope: dict[str, object]) -> None:
        operation, source = str(envelope["op"]), envelope["source"]
        row = envelope["after"] or envelope["before"]
        assert isinstance(source, dict)
        assert isinstance(row, dict)
        self.delivered[source["table"], operation] += 1
        self.changes.add((source["table"], row["id"], operation, source["lsn"], source["ts_us"]))

    def _find(self) -> None:
        """Begin to read a topic once it is there."""
        there = self._consumer.list_topics(timeout=10).topics
        new = {topic for table in TABLES if (topic := f"postgres.{table}") in there} - self._assigned
        if new:
            self._assigned |= new
            places = [TopicPartition(topic, number, 0) for topic in sorted(new) for number in range(PARTITIONS)]
            self._consumer.incremental_assign(places)
