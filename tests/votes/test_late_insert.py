"""Redis is set back while a drainer stands still before it sends: what it sends then arrives after the verdict."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import pytest

from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.model.errors import TemporaryError
from watcher.recovery.rebuild import Rebuilt
from watcher.recovery.verifier import Comparison
from watcher.votes import plan_writer

OTHER_HALF = pytest.mark.soak("votes that Redis does not know are in every run where nobody votes since")


class _DeadError(Exception):
    """The drainer never goes on."""


def _stand_still(
    world: VoteWorld, patch: pytest.MonkeyPatch, crucible: int, meanwhile: Callable[[], None], *, dies: bool
) -> None:
    """Drain; just before the votes are sent, something happens. Then go on, or never."""
    still = True

    def reach(place: str) -> None:
        nonlocal still
        if place == "drain.votes_sending" and still:
            still = False
            meanwhile()
            if dies:
                raise _DeadError

    patch.setattr(plan_writer, "reach", reach)
    with world.tasks() as tasks, suppress(_DeadError, TemporaryError):
        tasks.drain.turn(crucible % 8)
    assert not still


def _looks(world: VoteWorld, crucible: int, times: int = 2) -> list[Mapping[int, int]]:
    """What is told of so many looks."""
    told: list[Mapping[int, int]] = []
    with world.tasks() as tasks:
        tasks.balance._observer.unbalanced = told.append  # type: ignore[method-assign]
        for _ in range(times):
            tasks.balance.look([crucible])
    return told


def _set_back(world: VoteWorld, patch: pytest.MonkeyPatch, *, undrained: int, more: int, dies: bool) -> int:
    """A hundred votes are in ClickHouse; the copy that comes back has ``undrained`` more, the plan has all of them."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=100)
    world.drained()
    world.vote(crucible, votes=undrained)
    older = world.copy_redis()
    world.vote(crucible, votes=50 - undrained)

    def meanwhile() -> None:
        world.set_redis_back(older)
        assert world.keep(crucible) == [Comparison.VERIFIED]
        world.vote(crucible, votes=more)
        world.drained()

    _stand_still(world, patch, crucible, meanwhile, dies=dies)
    return crucible


@pytest.mark.parametrize(
    "undrained",
    [pytest.param(0, marks=OTHER_HALF, id="unknown_to_redis"), pytest.param(30, id="counted_twice")],
)
def test_votes_that_arrive_after_the_comparison_are_noticed(
    world: VoteWorld, monkeypatch: pytest.MonkeyPatch, undrained: int
) -> None:
    """By their number, when the second look finds the same."""
    crucible = _set_back(world, monkeypatch, undrained=undrained, more=40, dies=False)

    assert verdict(world, crucible) != []
    assert _looks(world, crucible) == [{}, {crucible: 50}]


@pytest.mark.parametrize("undrained", [pytest.param(0, marks=OTHER_HALF), 30])
def test_without_a_late_insert_nothing_is_told(
    world: VoteWorld, monkeypatch: pytest.MonkeyPatch, undrained: int
) -> None:
    """The control: the drainer dies instead. What was drained and what was set back add up."""
    crucible = _set_back(world, monkeypatch, undrained=undrained, more=40, dies=True)

    assert verdict(world, crucible, lost=50 - undrained) == []
    assert _looks(world, crucible) == [{}, {}]
    world.vote(crucible, votes=10)  # these wait
    assert _looks(world, crucible) == [{}, {}]


def test_before_anybody_votes_a_rebuild_takes_them_in(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """They had been answered as counted; then they do count, in Redis too."""
    crucible = _set_back(world, monkeypatch, undrained=0, more=0, dies=False)
    assert _looks(world, crucible) == [{}, {crucible: 50}]

    with world.verification() as verification:
        assert isinstance(verification.verifier.rebuild(crucible), Rebuilt)
    assert verdict(world, crucible) == []
    assert _looks(world, crucible) == [{}, {}]


def test_votes_of_two_epochs_that_wait_add_up(world: VoteWorld) -> None:
    """Redis restarts twice before anything is drained: nothing is told, then or afterwards."""
    crucible = world.crucible()
    world.keep(crucible)
    for votes in (30, 20):
        world.vote(crucible, votes=votes)
        world.stack.redis.kill()
        world.start_redis()
        assert world.keep(crucible) == [Comparison.VERIFIED]
    assert _looks(world, crucible) == [{}, {}]
    world.drained()

    assert _looks(world, crucible) == [{}, {}]
    assert verdict(world, crucible) == []
