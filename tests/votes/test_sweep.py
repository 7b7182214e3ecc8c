"""One round over many crucibles: none waits for another's failure, and finished ones are not asked about one by one."""

from collections.abc import Sequence

import pytest

from tests.votes.world import VoteWorld
from watcher.model.errors import SinkDisagreesError, TemporaryError
from watcher.operations.keeper import Verdict
from watcher.operations.sweep import GIVE_UP, Sweep


class _Keeper:
    """Fails where it is told to, and remembers what it was asked."""

    def __init__(self, failing: dict[int, Exception], finished: Sequence[int] = ()) -> None:
        self.failing, self.finished = failing, set(finished)
        self.seen: list[int] = []
        self.questions: list[list[int]] = []

    def verify(self, crucible_id: int) -> Verdict:
        """Note it, or fail."""
        self.seen.append(crucible_id)
        if crucible_id in self.failing:
            raise self.failing[crucible_id]
        return Verdict.VERIFIED

    def unfinished(self, crucible_ids: Sequence[int]) -> set[int]:
        """Note the question."""
        self.questions.append(list(crucible_ids))
        return set(crucible_ids) - self.finished


def test_a_failing_crucible_keeps_no_other_waiting(world: VoteWorld) -> None:
    """Whatever is wrong with the first ones, the others are compared, and in the next round before them."""
    keeper = _Keeper({1: SinkDisagreesError("it differs"), 2: TemporaryError("away")})
    sweep = Sweep(world.redis, keeper)
    with pytest.raises(TemporaryError, match="1 crucibles were not compared; the last of them: away"):
        sweep.keep(range(1, 6))
    assert keeper.seen == [1, 2, 3, 4, 5]
    keeper.failing.pop(2)
    sweep.keep(range(1, 6))

    assert keeper.seen[5:] == [3, 4, 5, 1, 2]


def test_a_neighbour_that_is_away_ends_the_round(world: VoteWorld) -> None:
    """Not every crucible waits for it; those that were not reached come first in the next round."""
    keeper = _Keeper({one: TemporaryError("away") for one in range(1, GIVE_UP + 1)})
    sweep = Sweep(world.redis, keeper)
    with pytest.raises(TemporaryError):
        sweep.keep(range(1, 9))
    assert keeper.seen == list(range(1, GIVE_UP + 1))
    with pytest.raises(TemporaryError):
        sweep.keep(range(1, 9))

    assert keeper.seen[GIVE_UP : GIVE_UP + 2] == [GIVE_UP + 1, GIVE_UP + 2]


def test_finished_crucibles_are_asked_about_once(world: VoteWorld) -> None:
    """The entries of a thousand finished crucibles come many times over: one question, and no keeper at work."""
    keeper = _Keeper({}, finished=range(1, 1_001))
    sweep = Sweep(world.redis, keeper)
    for _ in range(5):
        sweep.keep(range(1, 1_001))
    sweep.keep(range(1, 1_003))

    assert keeper.questions == [list(range(1, 1_001)), [1_001, 1_002]]
    assert keeper.seen == [1_001, 1_002]


def test_postgresql_says_which_take_votes(world: VoteWorld) -> None:
    """Finished crucibles and those that are not there are left out."""
    active, finished = world.crucible(entries=1), world.crucible(entries=1, status="Completed")
    with world.votes() as votes:
        assert votes.keeper.unfinished([active, finished, 999_999]) == {active}
