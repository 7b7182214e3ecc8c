"""Dead letters to Kafka: key, value, headers and timestamp byte for byte, and beside them where and why.

Durable before the batch that refused them is acknowledged: ``send``, ``flush``, then commit. A crash in between sends
them again when the batch is read again; the position in their headers says which two letters are one.

A letter that the broker will not take as it is gets smaller, step by step, rather than block the stream: first its
value is cut, then only our own headers are left. The record itself stays in its topic at the position named.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from watcher.kafka.refusals import REFUSALS, fault
from watcher.model.dead_letter import DeadLetter
from watcher.model.dead_letter_headers import TIMESTAMP, TRUNCATED, LetterHeader, refusal_headers
from watcher.model.errors import RefusedError, TemporaryError
from watcher.model.words import counted

MAX_CUT_VALUE_BYTES: Final = 512 * 1024
"""Bytes kept of a value that is too big: half of what a broker takes by default, so that headers fit beside it."""
MAX_CUT_KEY_BYTES: Final = 1024
MAX_REQUEST_BYTES: Final = 1_000_000_000
"""librdkafka's own limit, raised as far as it goes: the broker decides what is too big, not the client."""
NO_TIMESTAMP_MS: Final = 0
"""Lets librdkafka take the time of sending."""

READY_SECONDS: Final = 60.0
"""Seconds for which a topic that was there is taken to be there. Longer: one that somebody has deleted is made by the
broker, with its own settings, and drops letters; shorter: where many records are refused, each batch asks for it."""
TOPIC_SETTINGS: Final = {"retention.ms": "-1", "max.message.bytes": str(16 * 1024 * 1024 + 64 * 1024)}
"""The settings of a topic of dead letters that we make. Letters keep their record's time, so a retention would take
those of old records at once; the size is that of the connector's topics, with room for our headers."""

TOO_BIG: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})

_MISSING: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001
NOT_ALLOWED: Final = frozenset(
    {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.POLICY_VIOLATION}
)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A letter as it is offered to the broker."""

    key: bytes | None
    value: bytes | None
    own: tuple[LetterHeader, ...]
    added: tuple[LetterHeader, ...]
    timestamp_ms: int
    cuts: int = 0

    def smaller(self) -> "_Parcel | None":
        """Return the same letter with less in it, or None when nothing can be left out."""
        size = str(len(self.value or b"")).encode()
        if self.cuts == 0:
            added = (*self.added, (TRUNCATED, size))
            return replace(self, value=(self.value or b"")[:MAX_CUT_VALUE_BYTES], added=added, cuts=1)
        if self.cuts == 1:
            return replace(self, key=(self.key or b"")[:MAX_CUT_KEY_BYTES], value=b"", own=(), cuts=2)
        return None

    def dated_now(self) -> "_Parcel":
        """Return the same letter under the time of sending, with its record's own time in a header."""
        stamp = (TIMESTAMP, str(self.timestamp_ms).encode())
        return replace(self, timestamp_ms=NO_TIMESTAMP_MS, added=(*self.added, stamp))


class KafkaDeadLetters:
    """The dead-letter topic in Kafka; see :class:`watcher.changes.sink.DeadLetterSink`.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        topic: the dead-letter topic; made before a letter if there is none and we may.
        group: consumer group whose letters these are.
        clock: monotonic seconds.
    """

    def __init__(
        self, client: Mapping[str, Any], topic: str, group: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._topic, self._group, self._clock = topic, group, clock
        self._failed: list[_Parcel] = []
        self._error, self._not_allowed = "", False
        self._ready_until = float("-inf")
        self._client = dict(client)
        self._producer = Producer(
            {
                **client,
                "log_level": 0,  # a line for each try to connect, past our own logs
                "client.id": f"{group}.dead-letters",
                "enable.idempotence": True,
                "acks": "all",
                "message.max.bytes": MAX_REQUEST_BYTES,
                "message.timeout.ms": 0,  # a letter waits for the broker as long as its batch does
                "linger.ms": 5,
            }
        )

    def send(self, letters: Iterable[DeadLetter]) -> None:
        """Hand letters to the client. They are durable only when ``flush`` has returned."""
        parcels = [
            _Parcel(
                key=letter.key,
                value=letter.value,
                own=letter.headers,
                added=tuple(refusal_headers(letter, self._group)),
                timestamp_ms=max(letter.timestamp_ms, NO_TIMESTAMP_MS),
            )
            for letter in letters
        ]
        if self._is_ready:
            for parcel in parcels:
                self._produce(parcel)
        else:  # they wait for the topic, which ``flush`` makes
            self._failed += parcels

    def flush(self, timeout: float = 5.0) -> None:
        """Wait until the broker has every letter sent so far.

        Args:
            timeout: seconds to wait.

        Raises:
            TemporaryError: some are not there yet. Nothing is lost: call again, without sending them again.
        """
        self._make_topic(timeout)
        again, self._failed = self._failed, []
        for parcel in again:
            self._produce(parcel)
        waiting = self._producer.flush(timeout)
        if waiting or self._failed:
            error = self._error or f"no answer within {timeout:g} s"
            kind = RefusedError if self._not_allowed else TemporaryError
            lacking = counted(waiting + len(self._failed), "dead letter")
            raise kind(f"topic {self._topic} does not have {lacking} yet: {error}")
        self._error, self._not_allowed = "", False

    def close(self) -> None:
        """Give up what is not sent; its batch was not acknowledged, so it is read and refused again."""
        self._producer.purge()
        self._producer.flush(1.0)

    def _make_topic(self, timeout: float) -> None:
        """Make the topic unless it is there.

        Raises:
            TemporaryError: the broker does not answer.
        """
        if self._is_ready or not self._failed:
            return
        wanted = NewTopic(self._topic, num_partitions=1, replication_factor=-1, config=TOPIC_SETTINGS)
        try:
            admin = AdminClient({**self._client, "log_level": 0})
            admin.create_topics([wanted], request_timeout=timeout)[self._topic].result(timeout + 1)
        except (KafkaException, TimeoutError) as error:
            code = error.args[0].code() if error.args and isinstance(error.args[0], KafkaError) else None
            if code not in {KafkaError.TOPIC_ALREADY_EXISTS, *NOT_ALLOWED}:  # if it is there, we need not be allowed
                raise fault(f"dead-letter topic {self._topic}: {error}", error) from error
        self._ready_until = self._clock() + READY_SECONDS

    @property
    def _is_ready(self) -> bool:
        return self._clock() < self._ready_until

    def _produce(self, parcel: _Parcel) -> None:
        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None:
                self._refused(parcel, error)

        try:
            self._producer.produce(
                self._topic,
                value=parcel.value,
                key=parcel.key,
                headers=[*parcel.own, *parcel.added],
                timestamp=parcel.timestamp_ms,
                on_delivery=delivered,
            )
        except KafkaException as error:
            self._refused(parcel, error.args[0])
        except BufferError:  # the client's queue is full: serve it, and offer the letter at the next flush
            self._failed.append(parcel)
            self._producer.poll(0)

    def _refused(self, parcel: _Parcel, error: KafkaError) -> None:
        self._error, self._not_allowed = error.str(), error.code() in REFUSALS
        if error.code() in _MISSING:
            self._ready_until = float("-inf")
        if error.code() in TOO_BIG and (smaller := parcel.smaller()) is not None:
            self._produce(smaller)
        elif error.code() == KafkaError.INVALID_TIMESTAMP and parcel.timestamp_ms != NO_TIMESTAMP_MS:
            self._produce(parcel.dated_now())
        else:
            self._failed.append(parcel)
