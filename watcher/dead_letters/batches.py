"""Records of the dead-letter topic, some at a time: bounded by their number and by what they hold."""

from collections.abc import Iterable, Iterator
from typing import Final

from watcher.kafka.dead_letter_topic import LetterPlace

BATCH_LETTERS: Final = 1_000
"""Records of a batch. More: more memory, and one insert holds them; fewer: more waits for watchers to see what was
decided."""
BATCH_BYTES: Final = 32 * 1024 * 1024
"""Bytes of their values. More: more memory, a record may have sixteen megabytes; fewer: as above."""


def batches(places: Iterable[LetterPlace]) -> Iterator[list[LetterPlace]]:
    """Yield the records in their order, in batches of which none is empty."""
    batch: list[LetterPlace] = []
    size = 0
    for place in places:
        batch.append(place)
        size += len(place.letter.value or b"") if place.letter else 0
        if len(batch) == BATCH_LETTERS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
