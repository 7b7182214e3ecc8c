"""A topic of any size is gone through with bounded memory."""

from datetime import UTC, datetime

from watcher.dead_letters.batches import BATCH_BYTES, BATCH_LETTERS, batches
from watcher.kafka.dead_letter_topic import LetterPlace, StoredDeadLetter
from watcher.model.dead_letter_headers import RefusedRecord


def place(value: bytes = b"") -> LetterPlace:
    record = RefusedRecord("t", 0, 1, "bad_row", "", "", "watcher", 1)
    return LetterPlace(0, 0, StoredDeadLetter(0, 0, datetime.now(UTC), record, None, value, ()))


def test_batches_are_bounded_by_number_and_by_bytes() -> None:
    big = place(b"x" * (BATCH_BYTES // 2))

    assert [len(one) for one in batches([place()] * (BATCH_LETTERS + 1))] == [BATCH_LETTERS, 1]
    assert [len(one) for one in batches([big, big, big])] == [2, 1]
    assert list(batches([])) == []
