"""Reads the dead-letter topic from its beginning to where it ended when asked, outside of any group."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from watcher.kafka.admin import said
from watcher.model.dead_letter_headers import Refusal, own_headers, read_refusal
from watcher.model.errors import TemporaryError
from watcher.telemetry.metrics import UNKNOWN

TIMEOUT: Final = 10.0
"""Seconds without any record until the broker counts as away."""
LATEST: Final = 253_402_300_799_000
"""End of the year 9999 in milliseconds since 1970, the last that a date can tell. A producer that gives its records'
time in microseconds goes beyond it."""
MISSING: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001


class StoredLetter(msgspec.Struct, frozen=True):
    """A dead letter as it lies in its topic."""

    partition: int
    offset: int
    """Where the letter lies; where its record lies says ``refusal``."""
    time: datetime
    """The record's own time, UTC."""
    refusal: Refusal
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    """Those that the record came with."""
    copies: int = 1
    """How often the letter was sent: a batch that was read again after a crash refuses its records again."""


class Filter(msgspec.Struct, frozen=True):
    """Which letters to list; what is None does not matter."""

    table: str | None = None
    """``unknown`` takes the letters whose table nobody knows, as metrics and alerts call it."""
    reason: str | None = None
    topic: str | None = None
    """Topic of the record."""
    since: datetime | None = None

    def takes(self, letter: StoredLetter) -> bool:
        """Whether the letter is one of them."""
        refusal = letter.refusal
        return (
            (self.table is None or (refusal.table or UNKNOWN) == self.table)
            and (self.reason is None or refusal.reason == self.reason)
            and (self.topic is None or refusal.topic == self.topic)
            and (self.since is None or letter.time >= self.since)
        )


def read_letters(client: Mapping[str, Any], topic: str) -> list[StoredLetter]:
    """Every letter of the topic, in the order of their time; copies of one are one. Empty where there is no topic.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        topic: the dead-letter topic.

    Raises:
        TemporaryError: no broker answers.
    """
    consumer = Consumer(
        {
            **client,
            "group.id": f"crucible-dlq-reader-{uuid.uuid4()}",  # never joined, never committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "log_level": 0,
        }
    )
    try:
        return merged(letter for message in _messages(consumer, topic) if (letter := _letter(message)) is not None)
    except KafkaException as error:
        raise TemporaryError(f"kafka at {client.get('bootstrap.servers')} does not answer: {said(error)}") from error
    finally:
        consumer.close()


def merged(letters: Iterable[StoredLetter]) -> list[StoredLetter]:
    """One letter a refused record, the oldest copy for all; a record refused again after a replay is another."""
    first: dict[object, StoredLetter] = {}
    for letter in letters:
        where = letter.refusal
        # The time tells records apart whose topic was made anew, and whose positions therefore repeat.
        record = (where.topic, where.partition, where.offset, letter.time, where.refusals)
        known = first.get(record)
        first[record] = letter if known is None else msgspec.structs.replace(known, copies=known.copies + 1)
    return sorted(first.values(), key=lambda letter: (letter.time, letter.partition, letter.offset))


def counted(letters: Iterable[StoredLetter], of: Callable[[StoredLetter], str]) -> dict[str, int]:
    """How many letters there are by some property, most first."""
    counts: dict[str, int] = {}
    for letter in letters:
        counts[of(letter)] = counts.get(of(letter), 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _messages(consumer: Consumer, topic: str) -> Iterator[Message]:
    found = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
    if found.error is not None:
        if found.error.code() in MISSING:
            return
        raise KafkaException(found.error)
    unread = set(found.partitions)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in unread])
    heard = time.monotonic()
    while unread:
        messages = consumer.consume(500, 0.1)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > TIMEOUT:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                unread.discard(message.partition() or 0)
            else:
                raise KafkaException(error)


def _letter(message: Message) -> StoredLetter | None:
    given: Any = message.headers() or ()
    headers = tuple((name, _bytes(value)) for name, value in given)
    refusal = read_refusal(headers)
    if refusal is None:
        return None
    return StoredLetter(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        time=datetime.fromtimestamp(min(max(0, message.timestamp()[1]), LATEST) / 1000, UTC),
        refusal=refusal,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple(own_headers(headers)),
    )


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
