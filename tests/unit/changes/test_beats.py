"""Beats: what came and what did not, over restarts and in several processes."""

from dataclasses import dataclass

import pytest

from watcher.changes.beats import Beats
from watcher.model.beat import OVERDUE_SECONDS, Beat
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent
from watcher.model.postgres_look import PostgresLook

START = 1_760_000_000_000


@dataclass
class Kept:
    """What outlives the process."""

    beat: Beat | None = None
    away: bool = False

    def last(self) -> Beat | None:
        self._ask()
        return self.beat

    def keep(self, beat: Beat) -> None:
        self._ask()
        self.beat = beat

    def _ask(self) -> None:
        if self.away:
            raise TemporaryError("redis: no answer")


class Clock:
    """Stands still."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def beats(kept: Kept, clock: Clock) -> Beats:
    return following(kept, clock)


def following(kept: Kept, clock: Clock) -> Beats:
    return Beats(kept, kept, ["Crucible"], clock)


def beat(number: int, *, read: bool = False, later: int = 0) -> Beat:
    return Beat(number, START + number * 10_000 + later, 4096 * number, read)


def reasons(found: dict[ReconcileNeeded, Extent]) -> dict[str, int]:
    return {need.reason: extent.times for need, extent in found.items()}


def test_beats_that_follow_on_each_other_leave_nothing_to_compare(beats: Beats):
    """Delivered again, and over a restart, too."""
    assert beats.came([beat(1), beat(2)]) == {}
    assert beats.came([beat(1), beat(2), beat(3)]) == {}


def test_a_beat_that_never_came_is_a_hole_with_its_place(beats: Beats):
    """From the last that came before it to the first that came after."""
    beats.came([beat(7)])

    assert beats.came([beat(10)]) == {
        ReconcileNeeded("Crucible", "cut_off"): Extent(str(beat(7)), str(beat(10)), 2, beat(10).written),
    }
    assert str(beat(7)) == "beat 7 at LSN 0/7000 2025-10-09T08:54:30Z"
    assert beats.came([beat(10), beat(11)]) == {}


def test_a_hole_is_seen_by_whoever_takes_over(kept: Kept, clock: Clock):
    """What came last is kept before it is acknowledged, so the next process knows, and does not cry wolf either."""
    following(kept, clock).came([beat(1), beat(2)])

    assert following(kept, clock).came([beat(3)]) == {}
    assert reasons(following(kept, clock).came([beat(5)])) == {"cut_off": 1}


def test_nothing_is_acknowledged_while_what_came_cannot_be_kept(beats: Beats, kept: Kept):
    """The loop asks again then; the hole is found once."""
    beats.came([beat(1)])
    kept.away = True
    with pytest.raises(TemporaryError):
        beats.came([beat(3)])
    kept.away = False

    assert reasons(beats.came([beat(3)])) == {"cut_off": 1}
    assert reasons(beats.came([beat(3)])) == {}


def test_a_snapshot_of_the_beat_says_that_the_connector_began_anew(beats: Beats):
    """Even where no beat is missing, changes may be that lie between two."""
    assert beats.came([beat(1, read=True)]) == {}
    beats.came([beat(2)])

    assert reasons(beats.came([beat(2, read=True)])) == {}
    assert reasons(beats.came([beat(4, read=True)])) == {"begun_anew": 1}
    assert reasons(beats.came([beat(5)])) == {}
    assert reasons(beats.came([beat(6, read=True)])) == {"begun_anew": 0}


def test_a_hole_reaches_to_the_beat_after_it_unless_a_snapshot_read_that(beats: Beats):
    """The snapshot came later than the beat was written, nobody knows when: what was compared before may lack it."""
    beats.came([beat(1)])
    (cut_off,) = beats.came([beat(3)]).values()
    (begun_anew,) = beats.came([beat(5, read=True)]).values()

    assert (cut_off.reaches, begun_anew.reaches) == (beat(3).written, 0)


def test_numbers_that_fall_are_a_database_that_was_set_back(beats: Beats):
    """Later, and yet with a smaller number."""
    beats.came([beat(9)])

    assert reasons(beats.came([beat(4, later=100_000)])) == {"set_back": 0}
    assert reasons(beats.came([beat(5, later=100_000)])) == {}


def test_a_beat_is_overdue_when_it_was_written_and_did_not_come(beats: Beats, clock: Clock):
    """Counted from the first that did not; over once one comes that was written after it, here or elsewhere."""
    beats.came([beat(1)])
    for number in (1, 2, 3):
        beats.looked(PostgresLook({}, beat(number)))
        clock.seconds += 10
    assert beats.overdue_for is None
    clock.seconds += OVERDUE_SECONDS
    assert beats.overdue_for == OVERDUE_SECONDS + 20
    beats.came([beat(2)])
    assert beats.overdue_for == OVERDUE_SECONDS + 10
    beats.came([beat(3)])
    assert beats.overdue_for is None


def test_before_the_first_beat_came_none_is_overdue(beats: Beats, clock: Clock):
    """Its table may not be published yet, or its topic not read: that is said, and no stream is called cut off."""
    beats.looked(PostgresLook({}, beat(1)))
    clock.seconds += OVERDUE_SECONDS

    assert (beats.overdue_for, beats.absent_for) == (None, OVERDUE_SECONDS)
    beats.came([beat(1)])
    assert (beats.overdue_for, beats.absent_for) == (None, None)


def test_what_another_process_heard_counts(kept: Kept, clock: Clock):
    """The one that does not read the beats learns of them from what is kept."""
    reader, other = following(kept, clock), following(kept, clock)
    reader.came([beat(1)])
    assert other.farthest().beat == beat(1)
    other.looked(PostgresLook({}, beat(2)))
    clock.seconds += OVERDUE_SECONDS
    assert other.overdue_for is not None
    reader.came([beat(2)])

    assert other.farthest().beat == beat(2)
    assert other.overdue_for is None


def test_a_table_that_is_not_published_is_to_be_compared(beats: Beats):
    """From where the log ended when it was seen."""
    found = beats.looked(PostgresLook({}, beat(1), unpublished=("Crucible",), end_of_log=4096))

    assert found == {ReconcileNeeded("Crucible", "cut_off"): Extent("LSN 0/1000", "LSN 0/1000")}
    assert beats.unpublished == ("Crucible",)
    assert beats.looked(PostgresLook({}, beat(2))) == {}
    assert beats.unpublished == ()


def test_a_table_that_is_published_anew_is_to_be_compared(beats: Beats):
    """However short it was away, it may have been between two beats: from the last that came to where the log ends."""
    beats.came([beat(1)])
    found = beats.looked(PostgresLook({}, beat(1), republished=("Crucible",), end_of_log=8192))

    assert found == {ReconcileNeeded("Crucible", "cut_off"): Extent(str(beat(1)), "LSN 0/2000")}
    assert beats.unpublished == ()
