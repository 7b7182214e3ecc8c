"""Which dead letters may be taken again at all, told before anybody decodes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from watcher.kafka.dead_letter_topic import StoredDeadLetter
from watcher.model.dead_letter_headers import RefusedRecord
from watcher.model.letter_outcome import LetterOutcome
from watcher.model.stream import Partition


@dataclass(frozen=True, slots=True)
class Passed:
    """A partition that the watcher follows, as its group has it."""

    low: int
    """The first offset that it still holds."""
    high: int
    """The next one that it will give."""
    committed: int | None
    """Everything before it is written; None: the group has no place there."""


class Eligibility:
    """Tells whether a letter may be taken, and its whole value.

    Args:
        follows: whether the watcher follows a topic of that name.
        passed: every partition of those topics that the cluster has.
        group: the watcher's consumer group.
        value_at: reads what lies where a refused record lay.
    """

    def __init__(
        self,
        follows: Callable[[str], bool],
        passed: Mapping[Partition, Passed],
        group: str,
        value_at: Callable[[RefusedRecord], bytes | None],
    ) -> None:
        self._follows, self._passed, self._group, self._value_at = follows, passed, group, value_at

    def refusal(self, letter: StoredDeadLetter) -> tuple[LetterOutcome, str] | None:
        """Return why a letter may not be taken now, and what to do; None if it may."""
        record = letter.record
        if not self._follows(record.topic):
            return LetterOutcome.FOREIGN, (
                f"topic {record.topic} is none that kafka.topics names: if it is, or was, the connector's, name it "
                "there for this command; else its letters are somebody else's"
            )
        at = self._passed.get((record.topic, record.partition))
        if at is None or not at.low <= record.offset < at.high:
            return None  # nobody will read it again
        if at.committed is None or at.committed <= record.offset:
            where = "has no place there" if at.committed is None else f"is at {at.committed}"
            return LetterOutcome.UNREAD, (
                f"group {self._group} {where} and will read it again: start the watcher with `crucible run`, see "
                "`crucible offsets show`, and run this again"
            )
        return None

    def value(self, letter: StoredDeadLetter) -> bytes | None:
        """Return the whole value of a letter's record.

        Raises:
            CutError: the letter has only its beginning, and the topic has it no more.
            TemporaryError: Kafka is away.
        """
        size = letter.record.truncated_bytes
        if size is None:
            return letter.value
        found = self._value_at(letter.record)
        if found is None or len(found) != size or not found.startswith(letter.value or b""):
            raise CutError(
                f"{len(letter.value or b'')} of {size} bytes were kept, and the record is not in its topic any more: "
                "compare its table with `crucible reconcile --fix`"
            )
        return found


class CutError(Exception):
    """Raised where only a letter's beginning is left; the message says what to do."""
