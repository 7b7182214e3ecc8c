"""Redis was wiped, and while the crucible is being rebuilt a drain writes votes it had read before, or entries move."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.contract.redis.rows import apply, state
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.model.drain_plan import VOTE_COLUMNS
from watcher.model.effects import EntryGone
from watcher.model.rating import gain
from watcher.recovery import rebuild, rows
from watcher.recovery.rebuild import Rebuild
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.ending import end_judges


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
    write_judged, calm = rebuild.write_judged, Rebuild._calm

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

    patch.setattr(rebuild, "write_judged", then_late)
    patch.setattr(Rebuild, "_calm", looked_at_later)
    world.redis.flushall()
    assert world.keep(crucible) == [Comparison.REBUILT]
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
    monkeypatch.setattr(Rebuild, "_calm", lambda *_: True)

    assert rebuild_while_it_is_written(world, crucible, monkeypatch) == 1
    assert any("differ from the replay" in one for one in verdict(world, crucible))


def test_entries_that_go_and_return_meanwhile(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's entries were read, then the change stream tells of others: votes stay with whom they were for."""
    crucible = world.crucible(entries=5)
    world.keep(crucible)
    world.vote(crucible, votes=60)
    world.drained()
    going, returning, *_ = world.entries(crucible)
    before = [world.held(crucible, one) for one in (going, returning)]
    returned = world.take_out(crucible, returning)
    gone, entries = [], rows.entries

    def then_moved(*arguments: object) -> object:
        page = entries(*arguments)  # type: ignore[arg-type]
        if not gone:
            gone.append(world.take_out(crucible, going))
            world.put_back(returned)
            apply(world.redis, [(end := world.log_end(), EntryGone(crucible, going)), (end, returned)])
        return page

    monkeypatch.setattr(rows, "entries", then_moved)
    world.redis.flushall()
    assert world.keep(crucible) == [Comparison.REBUILT]
    assert [world.held(crucible, one) for one in (going, returning)] == [(None, None), before[1]]
    world.put_back(gone[0])
    apply(world.redis, [(world.log_end(), gone[0])])

    assert [world.held(crucible, one) for one in (going, returning)] == before


def test_a_crucible_that_ends_meanwhile_expires(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever saw the end has seen to the judges that were written by then; the others' keys expire too."""
    crucible = world.crucible(entries=5)
    world.keep(crucible)
    world.vote(crucible, votes=60)
    world.drained()
    write_judged = rebuild.write_judged

    def ended(*arguments: object) -> int:
        world.redis.sadd(keys.judges(crucible), 1)
        apply(world.redis, [(world.log_end(), state(crucible, "Completed"))])
        end_judges(world.redis, crucible)
        assert world.redis.ttl(keys.judges(crucible)) > 0  # type: ignore[operator]
        return write_judged(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rebuild, "write_judged", ended)
    world.redis.flushall()
    assert world.keep(crucible) == [Comparison.REBUILT]

    names = list(world.redis.scan_iter(f"*crucible:{crucible}:elo*"))
    assert len(names) > 60
    assert all(world.redis.ttl(name) > 0 for name in names)  # type: ignore[operator]
