"""Whole ends with real votes: through every step, with the stores that hold them, and with these lost on the way."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.awaiting import await_that
from tests.settlement.endings import EndingsHeard, watch_endings
from tests.votes.test_proof import ballots, digest, result
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.bootstrap.clients import site_session
from watcher.model.vote import VoteRefusal
from watcher.redis import keys
from watcher.redis.locked_crucible import lock_crucible
from watcher.settlement.ports import Ballots, Differs, Frozen, Proven
from watcher.settlement.watch_endings import WatchEndings


class Disturbed(Ballots):
    """The real votes; something happens before one of the calls, once."""

    def __init__(self, stored: Ballots, call: str = "", event: Callable[[], object] = bool) -> None:
        self._stored, self._call, self._event = stored, call, event

    def _before(self, call: str) -> None:
        if call == self._call:
            self._call = ""
            self._event()

    def freeze(self, crucible_id: int) -> Frozen:
        self._before("freeze")
        return self._stored.freeze(crucible_id)

    def drain(self, crucible_id: int, timeout: float) -> bool:
        self._before("drain")
        return self._stored.drain(crucible_id, timeout)

    def prove(self, crucible_id: int) -> Proven | Differs:
        self._before("prove")
        return self._stored.prove(crucible_id)

    def recompute(self, crucible_id: int) -> Proven:
        return self._stored.recompute(crucible_id)


@contextmanager
def settling(
    world: VoteWorld, call: str = "", event: Callable[[], object] = bool
) -> Iterator[tuple[WatchEndings, EndingsHeard]]:
    """What ends crucibles, with the votes as they are."""
    heard = EndingsHeard()
    with ballots(world) as stored:
        open_session = partial(site_session, world.settings())
        watch = watch_endings(
            open_session, Disturbed(stored, call, event), heard, "one", lambda _: None,
            observe=True, payouts="external",
        )  # fmt: skip
        try:
            yield watch, heard
        finally:
            watch.end()


def end(world: VoteWorld, crucible: int) -> None:
    """Have its end come, for PostgreSQL; Redis has not heard of it, so that nothing but the freeze refuses votes."""
    with world.site() as site:
        site.execute('UPDATE "Crucible" SET "endAt" = now() AT TIME ZONE \'UTC\' WHERE id = %s', [crucible])


def status(world: VoteWorld, crucible: int) -> str:
    with world.site() as site:
        row = site.execute('SELECT status::text FROM "Crucible" WHERE id = %s', [crucible]).fetchone()
    assert row is not None
    return str(row[0])


def change(world: VoteWorld, crucible: int, what: str) -> None:
    """Write something of an end; other tests' crucibles have theirs."""
    with world.site() as site:
        text = f"UPDATE {world.name}.settlement SET {what} WHERE crucible_id = %s"  # noqa: S608 - words of ours
        site.execute(text, [crucible])  # type: ignore[arg-type]


def go_on(world: VoteWorld, watch: WatchEndings, crucible: int) -> None:
    """Turn after turn until there is a result; nothing waits for its next attempt."""

    def ended() -> bool:
        change(world, crucible, "next_at = now()")
        watch.turn()
        return status(world, crucible) == "Completed"

    await_that(ended, "the result")


def check(world: VoteWorld, crucible: int) -> int:
    """The site's rows are what all votes in ClickHouse give, and so is the proof; returns how many votes these are."""
    rows = result(world, crucible)
    given = {entry: (rating, votes) for entry, rating, votes in rows}
    with world.site() as site:
        found = site.execute(
            'SELECT id, score, "voteCount", position FROM "CrucibleEntry" WHERE "crucibleId" = %s '
            'ORDER BY score DESC, "createdAt", id', [crucible],
        ).fetchall()  # fmt: skip
        asked = f"SELECT digest, votes FROM {world.name}.settlement WHERE crucible_id = %s"  # noqa: S608 - a name of ours
        row = site.execute(asked, [crucible]).fetchone()  # type: ignore[arg-type]
    assert row is not None
    assert {entry: (score, votes) for entry, score, votes, _ in found} == {
        entry: given.get(entry, (1500, 0)) for entry, *_ in found
    }
    assert [place for *_, place in found] == list(range(1, len(found) + 1))
    assert row[0] == digest(rows)
    return int(row[1])


def test_a_crucible_ends_among_votes(world: VoteWorld) -> None:
    """Judges vote until they are refused: a vote that was answered as counted is in the result, and no other is."""
    crucible = world.crucible()
    world.start("drain", "keep")
    world.await_votable(crucible)
    with settling(world) as (watch, _), world.judging(crucible, seed=1), world.judging(crucible, seed=2):
        world.vote(crucible, votes=200, seed=3)
        end(world, crucible)
        go_on(world, watch, crucible)

    answered = {(came.epoch, came.seq) for came in world.cast.counted.values()}
    assert check(world, crucible) == len(answered) >= 200
    assert world.cast.refused[VoteRefusal.FROZEN] > 0
    assert verdict(world, crucible) == []
    world.redis.flushall()
    proven = world.crucible_command("settle", "proof", str(crucible), "--json")
    assert proven.returncode == 0, proven.stderr
    rows = result(world, crucible)
    assert json.loads(proven.stdout)["digest"] == digest(rows)
    with world.clickhouse() as client:  # somebody is given a point afterwards
        client.command(
            "ALTER TABLE crucible_entry_rating UPDATE winner_elo = winner_elo + 1 "
            f"WHERE crucible_id = {crucible} SETTINGS mutations_sync = 2"
        )
    assert world.crucible_command("settle", "proof", str(crucible)).returncode == 1


@pytest.mark.parametrize("call", ["freeze", "drain", "prove"])
def test_redis_lost_before_a_step(world: VoteWorld, call: str) -> None:
    """It comes back frozen, because PostgreSQL says so: nobody votes any more, and no vote that was drained is lost."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=300)
    world.drained()
    end(world, crucible)

    def lost() -> None:
        world.redis.flushall()
        world.keep(crucible)
        assert world.vote(crucible, votes=5) == 0

    with settling(world, call, lost) as (watch, heard):
        go_on(world, watch, crucible)

    assert check(world, crucible) == 300
    assert world.cast.refused[VoteRefusal.FROZEN] == 5
    assert heard.reasons == []


def test_a_rebuild_at_work_when_the_end_comes(world: VoteWorld) -> None:
    """The end waits for it and says so; what it builds takes no votes."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=300)
    world.drained()
    end(world, crucible)
    with settling(world) as (watch, heard):
        with world.verification() as other, lock_crucible(other.client, crucible, {}) as locked:
            assert locked is not None
            locked.close()
            locked.clear()
            watch.turn()
            assert status(world, crucible) == "Active"
        go_on(world, watch, crucible)

    assert any("compared or rebuilt" in one for one in heard.faults)
    assert check(world, crucible) == 300
    assert world.vote(crucible, votes=5) == 0


def test_clickhouse_away_at_the_end(world: VoteWorld) -> None:
    """Nothing is decided and nobody votes; once it is back, the result is what it would have been."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=300)
    end(world, crucible)
    with settling(world, "drain", world.stack.clickhouse.kill) as (watch, heard):
        watch.turn()
        assert status(world, crucible) == "Active"
        assert world.vote(crucible, votes=5) == 0
        world.stack.clickhouse.start()
        world.stack.clickhouse.await_ready()
        go_on(world, watch, crucible)

    assert heard.faults
    assert check(world, crucible) == 300


def test_a_rating_that_does_not_follow_from_the_votes(world: VoteWorld) -> None:
    """The control: it is parked with the entry that differs; mended and run again, it ends."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=300)
    end(world, crucible)
    entry = str(world.entries(crucible)[0])

    def damage() -> None:
        world.redis.hincrby(keys.elo(crucible), entry, 1)

    with settling(world, "prove", damage) as (watch, heard):

        def parked() -> bool:
            change(world, crucible, "next_at = now()")
            watch.turn()
            return bool(heard.reasons)

        await_that(parked, "the ending is parked", told=lambda: str(heard.faults))
        assert status(world, crucible) == "Active"
        assert "other ratings or votes of 1 entry in Redis than the 300 votes" in heard.reasons[0]
        assert world.crucible_command("rebuild", str(crucible), "--replay").returncode == 0
        change(world, crucible, "state = parked_from, parked_from = NULL, reason = NULL")
        go_on(world, watch, crucible)

    assert check(world, crucible) == 300
