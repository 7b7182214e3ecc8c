"""What became of a dead letter that was taken again."""

from enum import StrEnum
from typing import Final


class LetterOutcome(StrEnum):
    """One word each; :data:`DONE` has those after which nothing of the letter is left to do."""

    COUNTED = "counted"
    """Its change is counted now, and its row states are shown."""
    APPLIED = "applied"
    """It counts for nothing; what it says of rows is shown unless something newer is, and what it asks for is noted."""
    REPEATED = "repeated"
    """Its change was counted before."""
    REPAIRED = "repaired"
    """A repair has made what was counted of its row right, with this change in it."""
    COMPARED = "compared"
    """It cannot be used, but its row was compared with what was counted of it, and put right."""
    SKIPPED = "skipped"
    """It says nothing of a row, or nothing that a handler answers."""
    REFUSED = "refused"
    """It cannot be used, still."""
    UNREAD = "unread"
    """The watcher has not passed its record and will read it, so it is not to be counted from here as well."""
    FOREIGN = "foreign"
    """Its record is of a topic that the watcher does not follow."""
    CUT = "cut"
    """Only its beginning was kept, and its record is not in the topic any more."""
    OTHER_HISTORY = "other_history"
    """Its change was committed before PostgreSQL's present history was accepted: log positions do not compare."""

    @property
    def done(self) -> bool:
        """Return whether nothing of the letter is left to do."""
        return self in DONE


DONE: Final = frozenset(
    {
        LetterOutcome.COUNTED,
        LetterOutcome.APPLIED,
        LetterOutcome.REPEATED,
        LetterOutcome.REPAIRED,
        LetterOutcome.COMPARED,
        LetterOutcome.SKIPPED,
    }
)
