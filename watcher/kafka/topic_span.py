"""The records of some partitions from one offset to another, read outside of any group."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from watcher.kafka.admin import said
from watcher.model.errors import TemporaryError
from watcher.model.stream import Partition

MAX_SILENCE_SECONDS: Final = 30.0
"""Seconds without any record until the broker counts as away."""
MAX_RECORDS: Final = 5_000
"""Records that are read together. More: more memory; fewer: more calls."""


def records_between(
    client: Mapping[str, Any], spans: Mapping[Partition, tuple[int, int]]
) -> Iterator[tuple[str, Sequence[bytes | None]]]:
    """Yield the values of records, some of one topic at a time, in order within each partition.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        spans: by partition, the first offset, and the one behind the last.

    Raises:
        TemporaryError: no broker answers.
    """
    unread = {place for place, (low, high) in spans.items() if low < high}
    consumer = Consumer(
        {
            **client,
            "group.id": f"crucible-replay-reader-{uuid.uuid4()}",  # never joined, never committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(*place, spans[place][0]) for place in sorted(unread)])
        heard = time.monotonic()
        while unread:
            messages = consumer.consume(MAX_RECORDS, 0.5)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > MAX_SILENCE_SECONDS:
                _raise(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
            yield from _within(messages, spans, unread).items()
    except KafkaException as error:
        raise TemporaryError(f"kafka at {client.get('bootstrap.servers')} does not answer: {said(error)}") from error
    finally:
        consumer.close()


def _raise(error: KafkaError) -> NoReturn:
    raise KafkaException(error)


def _within(
    messages: Sequence[Message], spans: Mapping[Partition, tuple[int, int]], unread: set[Partition]
) -> dict[str, list[bytes | None]]:
    """Return the values that lie before their partitions' ends, by topic; take partitions away that were read."""
    values: dict[str, list[bytes | None]] = {}
    for message in messages:
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        error, place = message.error(), (topic, partition)
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
            _raise(error)
        end = spans[place][1]
        if error is None and offset < end:
            values.setdefault(topic, []).append(message.value())
        if error is not None or offset >= end - 1:
            unread.discard(place)
    return values
