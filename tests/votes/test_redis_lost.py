"""Redis dies, is wiped or set back to what it was: votes are refused until it is what the other stores say."""

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
import redis

from tests.awaiting import await_that
from tests.contract.redis.rows import apply
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.model.effects import EntryGone
from watcher.model.row_state import KEEP_FINISHED_SECONDS
from watcher.model.vote import VoteRefusal
from watcher.recovery import closed_crucible
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.identity import identity_of


def test_redis_killed_among_votes(world: VoteWorld) -> None:
    """It comes back with its append-only file: no vote that was answered is lost, and none counts twice."""
    crucibles = [world.crucible(), world.crucible()]
    world.start("drain", "keep")
    world.await_votable(*crucibles)
    with world.judging(*crucibles):
        for had in (300, 600):
            await_that(lambda had=had: len(world.cast.counted) >= had, "votes")  # type: ignore[misc]
            world.stack.redis.kill()
            world.start_redis()
            world.await_votable(*crucibles)
        await_that(lambda: len(world.cast.counted) >= 900, "votes after it came back")
    world.await_drained()

    assert verdict(world, *crucibles) == []


def test_redis_wiped(world: VoteWorld) -> None:
    """Every rating, vote count and judged pair comes back as it was."""
    crucibles = [world.crucible(), world.crucible()]
    world.start("drain", "keep")
    world.await_votable(*crucibles)
    world.vote(*crucibles, votes=500)
    world.await_drained()
    before = {one: world.redis.hgetall(keys.elo(one)) for one in crucibles}
    world.redis.flushall()
    world.stack.redis.kill()
    world.start_redis()
    world.await_votable(*crucibles)

    assert {one: world.redis.hgetall(keys.elo(one)) for one in crucibles} == before
    assert verdict(world, *crucibles) == []
    world.vote(*crucibles, votes=200)
    world.await_drained()

    assert len(world.cast.counted) == 700
    assert verdict(world, *crucibles) == []


def test_redis_wiped_among_votes(world: VoteWorld) -> None:
    """What had not been drained is lost, less than a second of votes; what remains agrees everywhere."""
    crucible = world.crucible()
    world.start("drain", "keep")
    world.await_votable(crucible)
    with world.judging(crucible):
        await_that(lambda: len(world.cast.counted) >= 400, "votes")
        had = len(world.cast.counted)
        world.redis.flushall()
        await_that(lambda: len(world.cast.counted) >= had + 300, "votes after it came back")
    world.await_drained()

    before = sum(came.epoch == 1 for came in world.cast.counted.values())  # those after it are of the next epoch
    assert had <= before < len(world.cast.counted)
    assert verdict(world, crucible, lost=before) == []


def test_redis_and_the_drain_lost_between_a_vote_and_its_event(world: VoteWorld) -> None:
    """The plan that had the events still to come is gone; whoever rebuilds the crucible writes them."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=120)
    doomed = world.start("drain", failpoint="drain.votes_sent")
    assert doomed.await_exit() == 137
    world.redis.flushall()
    assert world.ask("SELECT count() FROM entityMetricEvents WHERE metricType = 'Vote'") == [(0,)]
    assert world.keep(crucible) == [Comparison.REBUILT]

    assert verdict(world, crucible) == []


def test_redis_set_back(world: VoteWorld) -> None:
    """An older copy of its files has fewer votes than ClickHouse: it is rebuilt, and goes on in a new epoch."""
    crucibles = [world.crucible(), world.crucible()]
    world.start("drain", "keep")
    world.await_votable(*crucibles)
    world.vote(*crucibles, votes=200)
    older = world.copy_redis()  # with votes that are not drained yet, perhaps, and with an open plan
    world.vote(*crucibles, votes=300)
    world.await_drained()
    world.set_redis_back(older)
    world.await_votable(*crucibles)
    world.vote(*crucibles, votes=200)
    world.await_drained()

    assert len(world.cast.counted) == 700
    assert verdict(world, *crucibles) == []
    assert {came.epoch for came in world.cast.counted.values()} == {1, 2}


def _unfenced(world: VoteWorld, crucible: int, _: Any) -> None:
    """Somebody says that it was compared, and nobody has."""
    identity = identity_of({**world.redis.info("server"), **world.redis.info("replication")})
    world.redis.hset(keys.state(crucible), "fence", identity)


def _same_epoch(world: VoteWorld, crucible: int, patch: pytest.MonkeyPatch) -> None:
    """It is rebuilt, and numbers begin anew in the epoch that they were in."""
    patch.setattr(closed_crucible, "raise_epoch", lambda *_: 1)
    assert world.keep(crucible) == [Comparison.REBUILT]


def _not_compared(world: VoteWorld, crucible: int, patch: pytest.MonkeyPatch) -> None:
    """The numbers of its votes are not compared with ClickHouse's."""
    patch.setattr(closed_crucible.ClosedCrucible, "lacks_votes", lambda *_: False)
    assert world.keep(crucible) == [Comparison.VERIFIED]


@pytest.mark.parametrize("weakness", [_unfenced, _same_epoch, _not_compared])
def test_without_a_protection_a_set_back_redis_shows(
    world: VoteWorld, monkeypatch: pytest.MonkeyPatch, weakness: Callable[[VoteWorld, int, Any], None]
) -> None:
    """The controls: without fence, epoch or verdict, votes are lost from ratings or their numbers used twice."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=100)
    world.drained()
    older = world.copy_redis()
    world.vote(crucible, votes=100)
    world.drained()
    world.set_redis_back(older)
    weakness(world, crucible, monkeypatch)
    world.vote(crucible, votes=150)
    world.drained()

    assert verdict(world, crucible) != []


def test_votes_are_refused_until_it_was_compared(world: VoteWorld) -> None:
    """Present or absent, a crucible takes no vote in a Redis process that nobody has compared."""
    crucible = world.crucible()
    assert world.vote(crucible, votes=5) == 0
    world.keep(crucible)
    assert world.vote(crucible, votes=5) == 5
    world.stack.redis.kill()
    world.start_redis()
    assert world.vote(crucible, votes=5) == 0

    assert world.cast.refused == {VoteRefusal.ABSENT: 5, VoteRefusal.UNVERIFIED: 5}
    assert world.keep(crucible, crucible) == [Comparison.VERIFIED, Comparison.SAME]
    assert world.vote(crucible, votes=5) == 5


def test_rows_are_compared_too(world: VoteWorld) -> None:
    """Entries that came, went or changed while Redis was not told are as PostgreSQL has them afterwards."""
    crucible = world.crucible(entries=6)
    world.keep(crucible)
    first, second, third, *_ = world.entries(crucible)
    world.stack.redis.kill()
    with world.site() as site:
        site.execute('DELETE FROM "CrucibleEntry" WHERE id = %s', [first])
        site.execute('UPDATE "CrucibleEntry" SET "imageId" = (SELECT max(id) FROM "Image") WHERE id = %s', [second])
        site.execute(
            'UPDATE "Image" SET "nsfwLevel" = 32 WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)',
            [third],
        )
        image = site.execute('SELECT max(id) FROM "Image"').fetchone()
    world.enter(crucible, 1)
    world.start_redis()
    assert world.keep(crucible) == [Comparison.VERIFIED]

    shown = {int(one): row[30:].decode() for one, row in world.redis.hgetall(keys.entries(crucible)).items()}  # type: ignore[union-attr]
    assert shown[first] == ""
    assert image is not None
    assert f'"image":{image[0]},' in shown[second]
    assert sorted(one for one, row in shown.items() if row) == world.entries(crucible)
    assert sorted(map(int, world.redis.hkeys(keys.elo(crucible)))) == world.entries(crucible)  # type: ignore[arg-type]
    admitted = sorted(map(int, world.redis.hkeys(keys.admitted(crucible))))  # type: ignore[arg-type]
    assert admitted == [one for one in world.entries(crucible) if one != third]


def _compared(world: VoteWorld, crucible: int) -> None:
    world.stack.redis.kill()
    world.start_redis()
    assert world.keep(crucible) == [Comparison.VERIFIED]


def _wiped(world: VoteWorld, crucible: int) -> None:
    world.redis.flushall()
    assert world.keep(crucible) == [Comparison.REBUILT]


def _rebuilt(world: VoteWorld, crucible: int) -> None:
    with world.verification() as verification:
        verification.verifier.rebuild(crucible)


EVERY_ONE = [(_compared, True, False), (_wiped, False, True), (_rebuilt, True, True)]
"""Each choice at least once."""
OTHERS = [one for one in product((_compared, _wiped, _rebuilt), (True, False), (True, False)) if one not in EVERY_ONE]


@pytest.mark.parametrize(
    ("meanwhile", "told", "streamed"),
    [*EVERY_ONE, *(pytest.param(*one, marks=pytest.mark.soak("a part of it is in every run")) for one in OTHERS)],
)
def test_an_entry_that_was_away_goes_on_where_its_votes_left_it(
    world: VoteWorld, meanwhile: Callable[[VoteWorld, int], None], *, told: bool, streamed: bool
) -> None:
    """Whether the change stream or the verifier is the first to see it go, and to see it return."""
    crucible = world.crucible(entries=5)
    world.keep(crucible)
    world.vote(crucible, votes=60)
    world.drained()
    for one in world.entries(crucible)[::4]:  # the last id too: none that PostgreSQL has is above it
        before = world.held(crucible, one)
        entry = world.take_out(crucible, one)
        if told:
            apply(world.redis, [(world.log_end(), EntryGone(crucible, one))])
        meanwhile(world, crucible)
        assert world.held(crucible, one) == (None, None)
        world.put_back(entry)
        if streamed:
            apply(world.redis, [(end := world.log_end(), EntryGone(crucible, one)), (end + 1, entry)])
            assert world.held(crucible, one) == before
        _compared(world, crucible)
        assert world.held(crucible, one) == before

    assert not world.redis.exists(keys.left(crucible))
    assert verdict(world, crucible) == []


@pytest.mark.parametrize("end", ["Completed", "Cancelled", "deleted"])
def test_a_crucible_that_ended_unseen_expires(world: VoteWorld, end: str) -> None:
    """Redis comes back from before its end: it shows the end, its ratings are right, and all of it expires."""
    crucible = world.crucible(entries=5)
    world.keep(crucible)
    world.vote(crucible, votes=40)
    world.drained()
    older = world.copy_redis()
    world.vote(crucible, votes=40)
    world.drained()
    before = world.redis.hgetall(keys.elo(crucible))
    with world.site() as site:
        if end == "deleted":
            site.execute('DELETE FROM "CrucibleEntry" WHERE "crucibleId" = %s', [crucible])
            site.execute('DELETE FROM "Crucible" WHERE id = %s', [crucible])
        else:
            site.execute('UPDATE "Crucible" SET status = %s::"CrucibleStatus" WHERE id = %s', [end, crucible])
    world.set_redis_back(older)
    assert world.redis.hget(keys.state(crucible), "status") == b"Active"
    came = world.keep(crucible)

    assert came == [Comparison.UNKNOWN if end == "deleted" else Comparison.REBUILT]
    assert world.redis.hget(keys.state(crucible), "status") == (b"" if end == "deleted" else end.encode())
    names = list(world.redis.scan_iter(f"*crucible:{crucible}:elo*"))
    assert len(names) > 5
    assert all(0 < world.redis.ttl(name) <= KEEP_FINISHED_SECONDS for name in names)
    if end != "deleted":
        assert world.redis.hgetall(keys.elo(crucible)) == before


def test_a_finished_crucible_is_left_alone(world: VoteWorld) -> None:
    """It is answered from PostgreSQL, and nothing of it comes back to Redis."""
    finished, unknown = world.crucible(status="Completed"), 999_999

    assert world.keep(finished, unknown) == [Comparison.FINISHED, Comparison.UNKNOWN]
    with suppress(redis.RedisError):
        assert list(world.redis.scan_iter("*crucible*")) == []
