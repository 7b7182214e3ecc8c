"""Dead letters as people ask for them: copies count once, a filter leaves some out, and values are counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from watcher.kafka.dead_letter_topic import StoredDeadLetter, stored_dead_letters
from watcher.telemetry.metrics.catalogue import UNKNOWN


class DeadLetterFilter(msgspec.Struct, frozen=True):
    """Which dead letters to list; a field that is None leaves none out."""

    table: str | None = None
    """``unknown`` takes the letters whose table nobody knows, as metrics and alerts call it."""
    reason: str | None = None
    topic: str | None = None
    """Topic of the refused record."""
    since: datetime | None = None
    letter: str | None = None
    """``PARTITION@OFFSET`` of the letter, or ``TOPIC[PARTITION]@OFFSET`` of the record."""

    def takes(self, letter: StoredDeadLetter) -> bool:
        """Return whether the letter is one of them."""
        record = letter.record
        return (
            (self.table is None or (record.table or UNKNOWN) == self.table)
            and (self.reason is None or record.reason == self.reason)
            and (self.topic is None or record.topic == self.topic)
            and (self.since is None or letter.time >= self.since)
            and (
                self.letter is None
                or self.letter
                in (
                    f"{letter.partition}@{letter.offset}",
                    f"{record.topic}[{record.partition}]@{record.offset}",
                )
            )
        )


def read_dead_letters(client: Mapping[str, Any], topic: str) -> list[StoredDeadLetter]:
    """Return every dead letter of the topic, oldest first, copies of one as one; none where there is no topic.

    Args:
        client: librdkafka settings of the connection (brokers, security).
        topic: the dead-letter topic.

    Raises:
        TemporaryError: no broker answers.
    """
    return merged(stored_dead_letters(client, topic))


def merged(letters: Iterable[StoredDeadLetter]) -> list[StoredDeadLetter]:
    """Return one letter per refusal, the oldest copy for all; a record refused again after a replay is another."""
    first: dict[object, StoredDeadLetter] = {}
    for letter in letters:
        where = letter.record
        # The time tells records apart whose topic was made anew, and whose positions therefore repeat.
        key = (where.topic, where.partition, where.offset, letter.time, where.refusals)
        known = first.get(key)
        first[key] = letter if known is None else msgspec.structs.replace(known, copies=known.copies + 1)
    return sorted(first.values(), key=lambda letter: (letter.time, letter.partition, letter.offset))


def frequencies(letters: Iterable[StoredDeadLetter], property_of: Callable[[StoredDeadLetter], str]) -> dict[str, int]:
    """Return how many letters have each value of a property, the most frequent value first."""
    return dict(Counter(map(property_of, letters)).most_common())
