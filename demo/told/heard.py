"""Who heard what: the notification service's own list, and the topic of events, read as any other service reads it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaException, TopicPartition

TOPIC = "crucible.events"
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HeardNotice:
    """What one user was told."""

    key: str
    type: str
    user: int
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """What other services were told."""

    id: str
    type: str
    time: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """All of it at one moment."""

    notices: Sequence[HeardNotice]
    events: Sequence[Event]


class Ears:
    """Somebody who hears everything.

    Args:
        notifications_url: the notification service's double.
        bootstrap_servers: Kafka.
    """

    def __init__(self, notifications_url: str, bootstrap_servers: str) -> None:
        self._url, self._servers, self._events = notifications_url, bootstrap_servers, list[Event]()
        self._consumer: Consumer | None = None

    def listen(self) -> Heard:
        """Return everything that was heard until now.

        Raises:
            OSError: the service or Kafka is away.
        """
        self._read()
        return Heard(self._notices(), tuple(self._events))

    def close(self) -> None:
        """Give back the connection to Kafka."""
        if self._consumer is not None:
            self._consumer.close()

    def _read(self) -> None:
        if self._consumer is None:  # Kafka is up by now
            self._consumer = _consumer(self._servers)
        try:
            if not self._consumer.assignment():
                found = self._consumer.list_topics(timeout=PATIENCE_SECONDS).topics.get(TOPIC)
                if found is None or not found.partitions:
                    return
                self._consumer.assign([TopicPartition(TOPIC, number, 0) for number in found.partitions])
            while records := self._consumer.consume(1_000, timeout=0.3):
                self._events += [_event(one) for one in records if one.error() is None]
        except KafkaException as error:
            raise OSError(f"Kafka did not tell its events: {error}") from error

    def _notices(self) -> tuple[HeardNotice, ...]:
        try:
            answer = httpx.post(
                f"{self._url}/_simulator/notifications", json={}, timeout=PATIENCE_SECONDS, trust_env=False
            )
            told = answer.raise_for_status().json()
        except httpx.HTTPError as error:
            raise OSError(f"the notification service did not tell whom it told: {error}") from error
        return tuple(HeardNotice(one["key"], one["type"], one["user"], one["details"]) for one in told["delivered"])


def _consumer(servers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": servers, "group.id": "demo-ears", "enable.auto.commit": False,
            "isolation.level": "read_committed", "allow.auto.create.topics": False,
        }
    )  # fmt: skip


def _event(record: Any) -> Event:
    headers = {name: value.decode() for name, value in record.headers()}
    return Event(headers["ce_id"], headers["ce_type"], headers["ce_time"], json.loads(record.value()))
