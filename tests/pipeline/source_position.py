"""How far Debezium is, by what Kafka Connect keeps of it: where it goes on after the worker was killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Self

from confluent_kafka import Consumer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable

    from stack.connect import Connect

TOPIC = "connect-offsets"
PARTITIONS = 2
"""As the worker's settings say."""
AT_ONCE = 5000
SILENCE = 1.0
"""Seconds without a record after which a frozen worker's last request has surely been carried out."""


class Position(NamedTuple):
    """A place in PostgreSQL's log."""

    lsn: int
    rows: int
    """How many rows of the log record there were delivered; 0 where that is of no matter, as after a commit."""
    operation: str | None

    @property
    def after_the_first_row_of_an_insert(self) -> bool:
        """Where Debezium 3.7 goes on with the next log record, and so loses what is left of a COPY's.

        https://github.com/debezium/debezium/pull/7531 counts the rows of a log record, and takes a count of one for a
        record that has no more.
        """
        return self.rows == 1 and self.operation == "INSERT"

    @property
    def after_one_row_of_an_update(self) -> bool:
        """Where Debezium may go on with the next log record, though just the delete of a changed key was delivered.

        An update of any other kind is one row as well, and done; nothing that is stored tells the two apart.
        """
        return self.rows == 1 and self.operation == "UPDATE"

    @property
    def in_doubt(self) -> bool:
        """Where Debezium loses what is left of a log record, or may."""
        return self.after_the_first_row_of_an_insert or self.after_one_row_of_an_update


class SourcePosition:
    """Reads what the worker has committed.

    Args:
        bootstrap_servers: of Kafka.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "source-position",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
        self._last = Position(0, 0, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def freeze(self, connect: Connect, wanted: Callable[[Position], bool]) -> Position | None:
        """Freeze the worker and look: it stays frozen at such a place, and runs on, with None, at another."""
        connect.pause()
        position = self._read()
        if wanted(position):
            return position
        connect.resume()
        return None

    def _read(self) -> Position:
        while records := self._consumer.consume(AT_ONCE, SILENCE):
            for record in records:
                value = record.value()
                if record.error() is not None or value is None:
                    continue
                kept = json.loads(value)
                if "lsn" in kept:  # not yet, while a snapshot begins
                    self._last = Position(kept["lsn"], kept.get("lsn_events_processed", 0), kept.get("messageType"))
        return self._last
