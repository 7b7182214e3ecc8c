"""Reads what comes into a topic from some moment on, outside of any group."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from watcher.kafka.admin import KafkaAdmin, said
from watcher.model.errors import TemporaryError

MAX_RECORDS: Final = 1_000
"""Records of an answer. More: more memory; fewer: more calls."""
WAIT_SECONDS: Final = 0.2
"""Seconds to wait for records that are there; a broker on the same continent answers in less."""


class TopicTail:
    """Reads a topic that may not be there yet.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        topic: its name.
        since: with time zone; records from before are left.
    """

    def __init__(self, client: Mapping[str, Any], topic: str, since: datetime) -> None:
        self._admin, self._brokers = KafkaAdmin(client), client.get("bootstrap.servers")
        self._topic, self._since, self._assigned = topic, since, False
        self._consumer = Consumer(
            {
                **client,
                "group.id": f"crucible-tail-{uuid.uuid4()}",  # never joined, never committed
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )

    def __call__(self) -> list[bytes | None]:
        """Return the values of records that came since the last call.

        Raises:
            TemporaryError: no broker answers, or one refuses.
        """
        try:
            if not self._assigned and not self._assign():
                return []
            messages = self._consumer.consume(MAX_RECORDS, WAIT_SECONDS)
        except KafkaException as error:
            raise TemporaryError(f"kafka at {self._brokers}: topic {self._topic}: {said(error)}") from error
        for message in messages:
            if (fault := message.error()) is not None:
                raise TemporaryError(f"kafka at {self._brokers}: topic {self._topic}: {fault.str()}")
        return [message.value() for message in messages]

    def close(self) -> None:
        """Close the connection to Kafka."""
        self._consumer.close()

    def _assign(self) -> bool:
        partitions = self._admin.topics().get(self._topic)
        if not partitions:
            return False
        places = [(self._topic, number) for number in range(partitions)]
        ends = self._admin.offsets(places, "latest")  # asked first: what comes in between is read
        begin = self._admin.offsets(places, self._since)
        self._consumer.assign(
            [TopicPartition(*place, ends[place] if begin[place] < 0 else begin[place]) for place in places]
        )
        self._assigned = True
        return True
