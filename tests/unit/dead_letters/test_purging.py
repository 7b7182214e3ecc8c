"""What may be deleted of the dead letters' topic: its beginning, up to the first that is not done."""

from datetime import UTC, datetime

import pytest

from watcher.dead_letters.purging import Purge, purges
from watcher.kafka.dead_letter_topic import LetterPlace, StoredDeadLetter
from watcher.model.dead_letter_headers import RefusedRecord

DONE, LEFT, OLD, STRANGER = "done", "left", "old", "stranger"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def place(offset: int, kind: str, partition: int = 0) -> tuple[LetterPlace, bool]:
    time = datetime(2025 if kind == OLD else 2026, 6, 1, tzinfo=UTC)
    record = RefusedRecord("postgres.Crucible", 0, offset, "bad_row", "", "Crucible", "watcher", 1)
    letter = StoredDeadLetter(partition, offset, time, record, None, None, ())
    return LetterPlace(partition, offset, None if kind == STRANGER else letter), kind == DONE


@pytest.mark.parametrize(
    ("kinds", "before", "expected"),
    [
        ((DONE, DONE), None, Purge(0, 6, done=2)),
        ((DONE, LEFT, DONE, DONE), None, Purge(0, 5, done=1, behind=2, stopped_by="0@5")),
        ((LEFT, DONE), None, Purge(0, 4, behind=1, stopped_by="0@4")),
        ((OLD, DONE, OLD, LEFT, DONE), NEW_YEAR, Purge(0, 7, done=1, not_done=2, behind=1, stopped_by="0@7")),
        ((OLD, DONE), None, Purge(0, 4, behind=1, stopped_by="0@4")),
        ((DONE, STRANGER, DONE), NEW_YEAR, Purge(0, 5, done=1, behind=1, stopped_by="0@5")),
    ],
)
def test_what_goes(kinds: tuple[str, ...], before: datetime | None, expected: Purge) -> None:
    """A letter that is not done keeps those behind it, and so does a record that is no letter."""
    assert purges((place(offset, kind) for offset, kind in enumerate(kinds, 4)), before) == {0: expected}


def test_each_partition_by_itself() -> None:
    found = purges([place(0, LEFT, 0), place(9, DONE, 1), place(1, DONE, 0)])

    assert [(one.partition, one.upto, one.done) for one in found.values()] == [(0, 0, 0), (1, 10, 1)]
