"""Redis was wiped, and a drain that had read votes before writes them while the crucible is being rebuilt."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.model.drain_plan import VOTE_COLUMNS
from watcher.model.rating import gain
from watcher.operations import keeper
from watcher.operations.keeper import Keeper, Verdict
from watcher.state import keys


def late_vote(world: VoteWorld, crucible: int) -> Callable[[], None]:
    """A drain that is about to write one more vote, and its event."""
    ratings = {int(one): int(rating) for one, rating in world.redis.hgetall(keys.elo(crucible)).items()}  # type: ignore[union-attr]
    winner, loser, *_ = sorted(ratings)
    points = gain(ratings[winner], ratings[loser])
    ((epoch, seq),) = world.ask(
        f"SELECT max((vote_epoch, vote_seq)).1, max((vote_epoch, vote_seq)).2 FROM crucible_entry_rating "  # noqa: S608
        f"WHERE crucible_id = {crucible}"
    )
    after = ratings[winner] + points, ratings[loser] - points
    row = (crucible, winner, loser, 5, int(time.time()), epoch, seq + 1, *after)

    def write() -> None:
        with world.clickhouse() as client:
            client.insert("crucible_entry_rating", [row], column_names=VOTE_COLUMNS)

    return write


def rebuild_while_it_is_written(world: VoteWorld, crucible: int, patch: pytest.MonkeyPatch) -> int:
    """Rebuild it; the vote comes after the votes were read. Returns how many times they were."""
    write, passes, written = late_vote(world, crucible), 0, threading.Event()
    write_judged, calm = keeper.write_judged, Keeper._calm

    def then_late(*arguments: object) -> int:
        nonlocal passes
        passes += 1
        pairs = write_judged(*arguments)  # type: ignore[arg-type]
        if passes == 1:
            write()
            written.set()
        return pairs

    def looked_at_later(*arguments: object) -> bool:
        assert written.wait(60)
        return calm(*arguments)  # type: ignore[arg-type]

    patch.setattr(keeper, "write_judged", then_late)
    patch.setattr(Keeper, "_calm", looked_at_later)
    world.redis.flushall()
    assert world.keep(crucible) == [Verdict.REBUILT]
    return passes


def test_a_vote_that_comes_meanwhile_is_in_the_ratings(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written without it is written again, and its event is completed once."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=60)
    world.drained()

    assert rebuild_while_it_is_written(world, crucible, monkeypatch) == 2
    assert verdict(world, crucible) == []


def test_who_does_not_look_again_shows_ratings_without_it(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=60)
    world.drained()
    monkeypatch.setattr(Keeper, "_calm", lambda *_: True)

    assert rebuild_while_it_is_written(world, crucible, monkeypatch) == 1
    assert any("differ from the replay" in one for one in verdict(world, crucible))
