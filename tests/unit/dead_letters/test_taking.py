"""Letters that are done are left alone, and those that stay are told by table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from watcher.admin.dead_letters import DeadLetterFilter
from watcher.dead_letters.taking import Account, Taking
from watcher.kafka.dead_letter_topic import LetterPlace, StoredDeadLetter
from watcher.model.dead_letter_headers import RefusedRecord
from watcher.model.letter_outcome import LetterOutcome
from watcher.postgres.own.dead_letters import Tried

if TYPE_CHECKING:
    from watcher.dead_letters.replaying import Replayer
    from watcher.postgres.session import Session

NOW = datetime.now(UTC)


class Stories:
    """PostgreSQL, which knows letters that are done."""

    def __init__(self, done: Sequence[int]) -> None:
        self._done = done

    def read(self, _query: str, _topic_id: str, _partition: int, positions: Sequence[int]) -> list[tuple[Any, ...]]:
        return [(one, "counted", "", True, 1, NOW, NOW, "somebody") for one in positions if one in self._done]


class Replaying:
    """Refuses the letters of some tables again, and counts all others."""

    def __init__(self, refused: Sequence[str] = ()) -> None:
        self._refused = refused
        self.taken: list[int] = []

    def replay(self, letters: Sequence[StoredDeadLetter]) -> list[Tried]:
        self.taken += [one.offset for one in letters]
        return [self._tried(one) for one in letters]

    def _tried(self, letter: StoredDeadLetter) -> Tried:
        table = letter.record.table
        outcome = LetterOutcome.REFUSED if table in self._refused else LetterOutcome.COUNTED
        return Tried(letter.partition, letter.offset, table, "", outcome)


def letter(offset: int, table: str) -> LetterPlace:
    record = RefusedRecord(f"postgres.{table}", 0, offset, "bad_row", "", table, "watcher", 1)
    return LetterPlace(0, offset, StoredDeadLetter(0, offset, NOW, record, None, b"{}", ()))


def take(places: Sequence[LetterPlace], stories: Stories, replaying: Replaying, wanted: DeadLetterFilter) -> Account:
    taking = Taking(cast("Session", stories), "topic", lambda one: one.record.table)
    for _ in taking.through(places, wanted, cast("Replayer", replaying), dry_run=False):
        pass
    return taking.account


def test_a_letter_that_is_done_is_not_taken_again() -> None:
    """Only those that would have been wanted are told as done before."""
    replaying = Replaying()
    places = [letter(0, "Crucible"), letter(1, "Crucible"), letter(2, "CrucibleEntry")]

    account = take(places, Stories([0, 2]), replaying, DeadLetterFilter(table="Crucible"))

    assert replaying.taken == [1]
    assert (account.done_before, account.outcomes, account.left) == (1, {LetterOutcome.COUNTED: 1}, {})


def test_what_stays_is_told_by_table() -> None:
    """What is refused again as well as what was not wanted: either keeps its table's need of a comparison."""
    places = [letter(0, "Crucible"), letter(1, "CrucibleEntry"), letter(2, "CrucibleEntry"), letter(3, "beat")]

    account = take(places, Stories([3]), Replaying(refused=["Crucible"]), DeadLetterFilter(table="Crucible"))

    assert account.left == {"Crucible": 1, "CrucibleEntry": 2}


def test_a_record_that_is_no_letter_is_passed_over() -> None:
    """It is told, since somebody else writes to the topic."""
    replaying = Replaying()

    account = take([LetterPlace(0, 0, None), letter(1, "Crucible")], Stories([]), replaying, DeadLetterFilter())

    assert (replaying.taken, account.strangers) == ([1], 1)
