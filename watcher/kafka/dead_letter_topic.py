"""The dead-letter topic, read from its beginning to where it ended when asked, outside of any group."""

import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from watcher.kafka.admin import said
from watcher.model.dead_letter_headers import RefusedRecord, own_headers, read_refused_record
from watcher.model.errors import TemporaryError

MAX_SILENCE_SECONDS: Final = 10.0
"""Seconds without any record until the broker counts as away."""
LATEST_MS: Final = 253_402_300_799_000
"""End of the year 9999 in milliseconds since 1970, the last that a date can tell. A producer that gives its records'
time in microseconds goes beyond it."""
_MISSING: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001


class StoredDeadLetter(msgspec.Struct, frozen=True):
    """A dead letter as it lies in its topic."""

    partition: int
    offset: int
    """Where the letter lies; where the refused record lies says ``record``."""
    time: datetime
    """The record's own time, UTC."""
    record: RefusedRecord
    """Which record was refused, and why."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    """Those that the record came with."""
    copies: int = 1
    """How often the letter was sent: a batch that was read again after a crash refuses its records again."""


class LetterPlace(msgspec.Struct, frozen=True):
    """A record of the dead-letter topic."""

    partition: int
    offset: int
    letter: StoredDeadLetter | None
    """None: the record is no letter; somebody else has put it there."""


def stored_dead_letters(client: Mapping[str, Any], topic: str) -> list[StoredDeadLetter]:
    """Return every letter of the topic, each copy by itself; none where there is no topic.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        topic: the dead-letter topic.

    Raises:
        TemporaryError: no broker answers.
    """
    return [place.letter for place in letter_places(client, topic) if place.letter is not None]


def letter_places(client: Mapping[str, Any], topic: str) -> Iterator[LetterPlace]:
    """Yield every record of the topic, one after the other, so that a topic of any size can be gone through.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        topic: the dead-letter topic; there may be none.

    Raises:
        TemporaryError: no broker answers.
    """
    consumer = _reader(client)
    try:
        for message in _messages(consumer, topic):
            yield LetterPlace(message.partition() or 0, message.offset() or 0, _letter(message))
    except KafkaException as error:
        raise _away(client, error) from error
    finally:
        consumer.close()


def value_at(client: Mapping[str, Any], record: RefusedRecord) -> bytes | None:
    """Return the value that lies where a refused record lay, in its own topic; None where nothing does any more.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        record: where; in a topic that was made anew another record may lie there.

    Raises:
        TemporaryError: no broker answers.
    """
    place = TopicPartition(record.topic, record.partition, record.offset)
    consumer = _reader(client)
    try:
        found = consumer.list_topics(record.topic, timeout=MAX_SILENCE_SECONDS).topics[record.topic]
        if found.error is not None or record.partition not in found.partitions:
            return None
        low, high = consumer.get_watermark_offsets(place, timeout=MAX_SILENCE_SECONDS)
        if not low <= record.offset < high:
            return None
        consumer.assign([place])
        message = consumer.poll(MAX_SILENCE_SECONDS)
        if message is None:
            raise _away(client, KafkaException(KafkaError(KafkaError._TIMED_OUT)))  # noqa: SLF001
        if message.error() is not None or message.offset() != record.offset:
            return None
        return _bytes(message.value())
    except KafkaException as error:
        raise _away(client, error) from error
    finally:
        consumer.close()


def _reader(client: Mapping[str, Any]) -> Consumer:
    return Consumer(
        {
            **client,
            "group.id": f"crucible-dlq-reader-{uuid.uuid4()}",  # never joined, never committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "log_level": 0,
        }
    )


def _away(client: Mapping[str, Any], error: KafkaException) -> TemporaryError:
    return TemporaryError(f"kafka at {client.get('bootstrap.servers')} does not answer: {said(error)}")


def _messages(consumer: Consumer, topic: str) -> Iterator[Message]:
    found = consumer.list_topics(topic, timeout=MAX_SILENCE_SECONDS).topics[topic]
    if found.error is not None:
        if found.error.code() in _MISSING:
            return
        raise KafkaException(found.error)
    unread = set(found.partitions)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in unread])
    heard = time.monotonic()
    while unread:
        messages = consumer.consume(500, 0.1)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > MAX_SILENCE_SECONDS:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
        for message in messages:
            error = message.error()
            if error is None:
                yield message
                heard = time.monotonic()  # whoever takes it may have taken its time
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                unread.discard(message.partition() or 0)
            else:
                raise KafkaException(error)


def _letter(message: Message) -> StoredDeadLetter | None:
    """Return the letter, or None for a record without the headers of one."""
    given: Any = message.headers() or ()
    headers = tuple((name, _bytes(value)) for name, value in given)
    record = read_refused_record(headers)
    if record is None:
        return None
    return StoredDeadLetter(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        time=datetime.fromtimestamp(min(max(0, message.timestamp()[1]), LATEST_MS) / 1000, UTC),
        record=record,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple(own_headers(headers)),
    )


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
