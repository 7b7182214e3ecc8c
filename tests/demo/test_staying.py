"""What is said while the demo stays up, and whose word is the last. No parts needed."""

from dataclasses import replace

import pytest

from demo.audit import AuditReport
from demo.disagreement import Disagreement, Kind
from demo.program import ProgramError
from demo.staying import ENDING, stay
from demo.verdict import verdict

EARLY = AuditReport(changes=10, entries=3, votes=0, findings=(), repaired=1)


class Stage:
    """A demo that stays up; what happens is written down in its order.

    Args:
        watched: raised while somebody watches.
        ended: raised when the roles are ended.
        late: what an audit finds from the interruption on.
    """

    def __init__(self, *, watched: BaseException, ended: Exception | None = None, late: AuditReport = EARLY) -> None:
        self.happened: list[str] = []
        self._watched, self._ended, self._late = watched, ended, late

    def stay(self, first: str) -> AuditReport:
        return stay(first, self.happened.append, self._watch, self._end, self._look)

    def _watch(self) -> None:
        self.happened.append("watched")
        raise self._watched

    def _end(self) -> None:
        self.happened.append("ended")
        if self._ended:
            raise self._ended

    def _look(self) -> AuditReport:
        self.happened.append("looked")
        return self._late


def test_the_verdict_is_said_before_anybody_waits_and_found_anew_at_the_end():
    """Nobody waits for Ctrl-C to learn how it went; the last line is of what is there then."""
    lost = replace(EARLY, findings=(Disagreement(Kind.LOST, "redis", "entries of crucible 3", 1),))
    stage = Stage(watched=KeyboardInterrupt(), late=lost)

    last = stage.stay("ok of before")

    assert stage.happened == ["ok of before", "watched", ENDING, "ended", "looked"]
    assert verdict(last, 3_000, voted=False).startswith("lost=1 ")


def test_a_part_that_ends_meanwhile_is_the_last_word():
    """It is no ending that somebody asked for, and what was found before is not told of it."""
    stage = Stage(watched=ProgramError("redis ended by itself"))

    with pytest.raises(ProgramError, match="redis ended by itself"):
        stage.stay("ok of before")

    assert stage.happened == ["ok of before", "watched"]


def test_who_does_not_end_well_is_the_last_word():
    """An audit of what is there would say nothing of it."""
    stage = Stage(watched=KeyboardInterrupt(), ended=ProgramError("the watcher ended with exit code 1"))

    with pytest.raises(ProgramError, match="exit code 1"):
        stage.stay("ok of before")

    assert "looked" not in stage.happened
