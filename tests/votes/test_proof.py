"""The result of a crucible that ends: no vote moves it, every vote is in it, and Redis and a replay say the same."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.contract.redis.rows import apply
from tests.replay import replay
from tests.votes import judges
from tests.votes.verdict import NUMBERED, verdict
from tests.votes.world import VoteWorld
from watcher.bootstrap.ballots import ballots as stored_ballots
from watcher.bootstrap.clients import site_session
from watcher.model.effects import EntryGone
from watcher.model.errors import TemporaryError
from watcher.model.vote import LoggedVote, VoteRefusal
from watcher.recovery.replay import ReplayDiffersError
from watcher.recovery.verifier import Comparison
from watcher.redis import keys
from watcher.redis.locked_crucible import lock_crucible
from watcher.redis.scripts import VOTE, Script
from watcher.settlement.ports import Differs, Proven
from watcher.settlement.proof import StoredBallots

SECONDS = 20.0


@contextmanager
def ballots(world: VoteWorld) -> Iterator[StoredBallots]:
    """As the role that settles has them."""
    settings = world.settings()
    with stored_ballots(settings, world.metrics, partial(site_session, settings)) as kept:
        yield kept


def voted(world: VoteWorld, votes: int = 400, entries: int = 20) -> int:
    """A crucible with votes, some of them not drained."""
    crucible = world.crucible(entries)
    world.keep(crucible)
    world.vote(crucible, votes=votes // 2)
    world.drained()
    world.vote(crucible, votes=votes - votes // 2)
    return crucible


def result(world: VoteWorld, crucible: int) -> list[tuple[int, int, int]]:
    """Entry, rating and votes, by a plain replay of what ClickHouse has."""
    done = replay([LoggedVote(*row) for row in world.ask(NUMBERED.format(crucible))])
    assert done.differing == []
    return sorted((entry, rating, done.votes[entry]) for entry, rating in done.ratings.items())


def digest(rows: list[tuple[int, int, int]]) -> str:
    return hashlib.sha256("".join(f"{entry}:{rating}:{votes}\n" for entry, rating, votes in rows).encode()).hexdigest()


def note(world: VoteWorld, crucible: int, state: str, **columns: object) -> None:
    """What PostgreSQL knows of an ending."""
    named = {"crucible_id": crucible, "state": state, "name": "of a test", "creator_id": 1, **columns}
    names, places = ", ".join(named), ", ".join(["%s"] * len(named))
    with world.site() as site:
        text = f"INSERT INTO {world.name}.settlement ({names}) VALUES ({places})"  # noqa: S608 - names of ours
        site.execute(text, list(named.values()))  # type: ignore[arg-type]


def test_a_result_is_proven(world: VoteWorld) -> None:
    """Ratings, counts, digest and last place; the same without Redis, and each time it is asked."""
    crucible = voted(world)
    with ballots(world) as kept:
        frozen = kept.freeze(crucible)
        assert (frozen.epoch, frozen.seq) == (1, 400)
        assert kept.drain(crucible, SECONDS)
        proven = kept.prove(crucible)
        assert kept.prove(crucible) == proven
        world.redis.flushall()
        recomputed = kept.recompute(crucible)

    rows = result(world, crucible)
    assert isinstance(proven, Proven)
    assert list(proven.ratings) == rows
    assert (proven.votes, proven.digest, proven.epoch, proven.seq) == (400, digest(rows), 1, 400)
    assert recomputed == proven


def test_judges_in_the_moment_of_the_freeze(world: VoteWorld) -> None:
    """Whatever they were answered is what counts: every vote that counted is in the result, and none came after it."""
    crucible = world.crucible()
    world.start("drain", "keep")
    world.await_votable(crucible)
    with ballots(world) as kept:
        with world.judging(crucible, seed=1), world.judging(crucible, seed=2):
            world.vote(crucible, votes=200, seed=3)
            frozen = kept.freeze(crucible)
            assert world.vote(crucible, votes=50, seed=4) == 0
        assert kept.drain(crucible, SECONDS)
        proven = kept.prove(crucible)

    assert isinstance(proven, Proven)
    answered = {(came.epoch, came.seq) for came in world.cast.counted.values()}
    assert max(answered) == (frozen.epoch, frozen.seq) == (proven.epoch, proven.seq)
    assert len(answered) == proven.votes
    assert world.cast.refused[VoteRefusal.FROZEN] >= 50
    assert verdict(world, crucible) == []


def test_an_entry_that_left_keeps_its_votes_in_the_proof(world: VoteWorld) -> None:
    """Others have their points from it, so its row is part of what is hashed."""
    crucible = voted(world)
    gone = world.take_out(crucible, world.entries(crucible)[0])
    apply(world.redis, [(2**60, EntryGone(crucible, gone.entry_id))])
    with ballots(world) as kept:
        kept.freeze(crucible)
        proven = kept.prove(crucible)

    assert isinstance(proven, Proven)
    assert gone.entry_id in proven.ratings.entry_ids
    assert list(proven.ratings) == result(world, crucible)


def _rating(world: VoteWorld, crucible: int) -> None:
    world.redis.hincrby(keys.elo(crucible), str(world.entries(crucible)[3]), 1)


def _count(world: VoteWorld, crucible: int) -> None:
    world.redis.hincrby(keys.votes(crucible), str(world.entries(crucible)[3]), -1)


def _lost(world: VoteWorld, crucible: int) -> None:
    entry = str(world.entries(crucible)[3])
    world.redis.hdel(keys.elo(crucible), entry)
    world.redis.hdel(keys.votes(crucible), entry)


def test_one_point_or_vote_too_many_is_found(world: VoteWorld) -> None:
    """The control: whatever is not as the votes have it is named, with both sides; as it was, it is proven."""
    crucible = voted(world)
    with ballots(world) as kept:
        kept.freeze(crucible)
        assert kept.drain(crucible, SECONDS)
        entry, rating, votes = next(row for row in result(world, crucible) if row[0] == world.entries(crucible)[3])
        for damage in (_rating, _count, _lost):
            damage(world, crucible)
            found, held = kept.prove(crucible), world.held(crucible, entry)
            world.redis.hset(keys.elo(crucible), str(entry), rating)
            world.redis.hset(keys.votes(crucible), str(entry), votes)

            assert isinstance(found, Differs)
            assert "other ratings or votes of 1 entry in Redis than the 400 votes" in found.what
            (one,) = found.entries
            assert (one.entry_id, one.replayed_rating, one.replayed_votes) == (entry, rating, votes)
            told = None if held[0] is None else int(held[0]), int(held[1] or 0)
            assert (one.rating, one.votes) == told != (rating, votes)
        assert isinstance(kept.prove(crucible), Proven)


def test_an_entry_that_no_vote_moved_is_found(world: VoteWorld) -> None:
    """Redis says that somebody voted on it, or has another rating for it; ClickHouse knows of no such vote."""
    crucible, stranger = voted(world), "4000000000"
    with ballots(world) as kept:
        kept.freeze(crucible)
        for name in (keys.elo, keys.votes, keys.left):
            world.redis.hset(name(crucible), stranger, "1516:1" if name is keys.left else "1516")
            found = kept.prove(crucible)
            world.redis.hdel(name(crucible), stranger)

            assert isinstance(found, Differs)
            assert [(one.entry_id, one.replayed_rating) for one in found.entries] == [(int(stranger), None)]
        assert isinstance(kept.prove(crucible), Proven)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("ALTER TABLE crucible_entry_rating UPDATE winner_elo = winner_elo + 1 WHERE vote_seq = 20", "1-20"),
        ("ALTER TABLE crucible_entry_rating DELETE WHERE vote_seq = 20", "lacks votes"),
        ("ALTER TABLE crucible_entry_rating DELETE WHERE vote_seq <= 30", "30 of its 400 votes are past their 90 days"),
        ("TRUNCATE TABLE entry_rating_v1", "only 0"),
    ],
)
def test_votes_that_are_not_there_prove_nothing(world: VoteWorld, statement: str, says: str) -> None:
    """Edited, dropped, past their time, or lost to the view: said plainly, and by ``recompute`` too."""
    crucible = voted(world)
    with ballots(world) as kept:
        kept.freeze(crucible)
        assert kept.drain(crucible, SECONDS)
        with world.clickhouse() as client:
            client.command(f"{statement} SETTINGS mutations_sync = 2" if "ALTER" in statement else statement)
        found = kept.prove(crucible)
        with pytest.raises(ReplayDiffersError, match=says):
            kept.recompute(crucible)

    assert isinstance(found, Differs)
    assert says in found.what
    assert (found.entries, found.votes_lack) == ((), True)


def test_while_clickhouse_is_away_nothing_is_decided(world: VoteWorld) -> None:
    """Votes stay refused; afterwards it goes on where it was."""
    crucible = voted(world)
    with ballots(world) as kept:
        frozen = kept.freeze(crucible)
        world.stack.clickhouse.kill()
        with pytest.raises(TemporaryError):
            kept.drain(crucible, SECONDS)
        with pytest.raises(TemporaryError):
            kept.prove(crucible)
        assert world.vote(crucible, votes=5) == 0
        world.stack.clickhouse.start()
        world.stack.clickhouse.await_ready()
        assert kept.freeze(crucible) == frozen
        assert isinstance(kept.prove(crucible), Proven)


def test_a_crucible_under_rebuild_is_frozen_afterwards(world: VoteWorld) -> None:
    """The end comes while it is rebuilt: nobody votes, nothing is decided, and afterwards nothing is missing."""
    crucible = voted(world)
    world.redis.flushall()
    with ballots(world) as kept:
        with world.verification() as other, lock_crucible(other.client, crucible, {}) as locked:
            assert locked is not None
            locked.close()
            with pytest.raises(TemporaryError, match="compared or rebuilt"):
                kept.freeze(crucible)
        assert kept.freeze(crucible).seq == 0  # a new epoch
        proven = kept.prove(crucible)

    assert isinstance(proven, Proven)
    assert (proven.epoch, proven.seq, proven.votes) == (1, 200, 200)
    assert list(proven.ratings) == result(world, crucible)


def test_a_rebuild_in_between_decides_nothing(world: VoteWorld) -> None:
    """Somebody has the crucible locked and may be about to clear it: a difference would be his, not the votes'."""
    crucible = voted(world)
    with ballots(world) as kept:
        kept.freeze(crucible)
        with world.verification() as other, lock_crucible(other.client, crucible, {}) as locked:
            assert locked is not None
            with pytest.raises(TemporaryError, match="compared or rebuilt"):
                kept.prove(crucible)
        assert isinstance(kept.prove(crucible), Proven)


def test_a_freeze_that_redis_never_heard_of_is_brought_to_it(world: VoteWorld) -> None:
    """PostgreSQL says that it is frozen, and whoever was to tell Redis died; then Redis is lost as well."""
    crucible = voted(world)
    world.drained()
    note(world, crucible, "frozen")
    world.redis.flushall()
    assert world.keep(crucible) == [Comparison.REBUILT]
    assert world.vote(crucible, votes=5) == 0
    with ballots(world) as kept:
        frozen = kept.freeze(crucible)
        proven = kept.prove(crucible)

    assert isinstance(proven, Proven)
    assert (frozen.epoch, frozen.seq) == (2, 0)
    assert (proven.epoch, proven.seq, proven.votes) == (1, 400, 400)


@pytest.mark.parametrize("state", ["drained", "parked"])
def test_a_freeze_outlives_redis(world: VoteWorld, state: str) -> None:
    """Redis is lost between freeze and proof: from the moment it is back no vote counts, and the result is the same."""
    crucible = voted(world)
    with ballots(world) as kept:
        frozen = kept.freeze(crucible)
        assert kept.drain(crucible, SECONDS)
        before = kept.prove(crucible)
        parked = {"parked_from": "drained", "reason": "of a test"} if state == "parked" else {}
        note(world, crucible, state, epoch=frozen.epoch, seq=frozen.seq, **parked)
        world.redis.flushall()
        assert world.keep(crucible) == [Comparison.REBUILT]
        assert world.vote(crucible, votes=5) == 0
        assert kept.freeze(crucible) == frozen
        assert kept.prove(crucible) == before

    assert isinstance(before, Proven)
    assert world.cast.refused[VoteRefusal.FROZEN] == 5
    assert verdict(world, crucible) == []


def test_a_freeze_that_postgres_does_not_know_of_is_lost_with_redis(world: VoteWorld) -> None:
    """The control: votes count again. They are part of the next freeze, so that the result is one all the same."""
    crucible = voted(world)
    with ballots(world) as kept:
        kept.freeze(crucible)
        assert kept.drain(crucible, SECONDS)
        note(world, crucible, "due")
        world.redis.flushall()
        assert world.keep(crucible) == [Comparison.REBUILT]
        assert world.vote(crucible, votes=5) == 5
        proven = kept.prove(crucible)

    assert isinstance(proven, Proven)
    assert (proven.epoch, proven.seq, proven.votes) == (2, 5, 405)
    assert world.vote(crucible, votes=5) == 0


def test_an_older_copy_of_redis_is_frozen_too(world: VoteWorld) -> None:
    """Its files are from before the freeze; whoever compares it knows better."""
    crucible = voted(world)
    older = world.copy_redis()
    with ballots(world) as kept:
        frozen = kept.freeze(crucible)
        assert kept.drain(crucible, SECONDS)
        note(world, crucible, "drained", epoch=frozen.epoch, seq=frozen.seq)
        world.set_redis_back(older)
        proven = kept.prove(crucible)

    assert isinstance(proven, Proven)
    assert (proven.epoch, proven.seq, proven.votes) == (1, 400, 400)
    assert world.vote(crucible, votes=5) == 0
    assert verdict(world, crucible) == []


def test_votes_after_the_freeze_are_told(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of an older version does not know of a freeze: its votes are in nobody's result."""
    crucible = voted(world)
    old = Script.of(VOTE.text.replace("if state[8] then return { 'frozen' } end\n", ""))
    assert old != VOTE
    with ballots(world) as kept:
        frozen = kept.freeze(crucible)
        note(world, crucible, "drained", epoch=frozen.epoch, seq=frozen.seq)
        monkeypatch.setattr(judges, "VOTE", old)
        assert world.vote(crucible, votes=5) == 5
        found = kept.prove(crucible)

        assert world.crucible_command("rebuild", str(crucible), "--replay").returncode == 0
        mended = kept.prove(crucible)

    assert isinstance(found, Differs)
    assert "frozen after vote 1-400, and ClickHouse has votes up to 1-405" in found.what
    assert isinstance(mended, Proven)  # whoever rebuilds it wants what there is
    assert (mended.votes, list(mended.ratings)) == (405, result(world, crucible))


def test_votes_that_were_lost_with_redis_are_told(world: VoteWorld) -> None:
    """Answered, numbered before the freeze, and gone before anybody drained them: that is for a person to decide."""
    crucible = voted(world)
    with ballots(world) as kept:
        frozen = kept.freeze(crucible)
        assert frozen.seq == 400
        note(world, crucible, "frozen", epoch=frozen.epoch, seq=frozen.seq)
        world.redis.flushall()
        found = kept.prove(crucible)
        assert world.crucible_command("rebuild", str(crucible)).returncode == 0
        mended = kept.prove(crucible)

    assert isinstance(found, Differs)
    assert "frozen after vote 1-400, and ClickHouse has votes up to 1-200 only" in found.what
    assert isinstance(mended, Proven)
    assert mended.votes == 200
    assert world.vote(crucible, votes=5) == 0
