"""Votes that ClickHouse has lost come back from what Redis keeps for their judges; what is lost there too is told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from tests.scythe import Scythe
from tests.votes.test_reconciled_redis import add_votes, ids_of, judged
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.bootstrap import reconciling_views
from watcher.bootstrap.reconciling_crucibles import CrucibleComparer
from watcher.bootstrap.verification import verifying_unheard
from watcher.clickhouse.queries import queries
from watcher.clickhouse.vote_history import VoteHistory
from watcher.migrations.clickhouse.server import Server
from watcher.postgres.own import history
from watcher.postgres.session import open_session
from watcher.reconcile.command.resumption import Resumption
from watcher.reconcile.redis import crucibles as redis_crucibles
from watcher.reconcile.votes import redis_votes, repairer
from watcher.recovery.rebuild import Rebuilt
from watcher.recovery.recount import recount
from watcher.recovery.replay import ReplayDiffersError
from watcher.recovery.verifier import VotesOnlyInRedisError
from watcher.redis import keys
from watcher.redis.counted_votes import CountedVotes

__all__ = ["judged"]

AT_ONCE = {"mutations_sync": 2}
ONLY_IN_REDIS = "vote that only Redis has"
Found = dict[str, tuple[int, int, bool]]
"""Rows, those that are left, and whether what is right can be derived, by kind."""


@pytest.fixture(autouse=True)
def one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that is made anew parts its rows a moment ahead: on one machine no server's clock is late."""
    monkeypatch.setattr(reconciling_views, "Server", partial(Server, margin=0.2))


@contextmanager
def comparing(world: VoteWorld) -> Iterator[CrucibleComparer]:
    """A run of its own, which does not wait between two looks."""
    with (
        open_session(str(world.stack.endpoints.postgres_dsn), world.name) as session,
        CrucibleComparer(
            world.settings(), session, "a test", print, pause=lambda _: None, verifying=verifying_unheard
        ) as comparer,
    ):
        history.check(session)
        yield comparer


def run(world: VoteWorld, *, fix: bool = False, only: int | None = None) -> Found:
    """What a run of the command finds of votes, views (unless it is about one crucible) and Redis, and puts right."""
    with comparing(world) as one:
        votes = one.votes(Resumption(None, {}), lambda *_: None, fix=fix, only=only)
        views = one.views(Resumption(None, {}), lambda *_: None, fix=fix) if only is None else []
        redis = one.redis(Resumption(None, {}), lambda *_: None, fix=fix, only=only)
    found = {each.kind: (each.rows, each.left, each.derivable) for each in (*votes, *redis)}
    return found | {each.view: (each.differing, each.left, True) for each in views}


def lose(world: VoteWorld, crucible: int, *places: tuple[int, int], everywhere: bool = False) -> None:
    """Delete votes from ClickHouse by hand, in the table alone or also their events and all views of them."""
    with world.clickhouse() as client:
        some = ", ".join(map(str, places))
        which = f"crucible_id = {crucible} AND (vote_epoch, vote_seq) IN ({some})"
        if everywhere:
            client.command(
                f"""ALTER TABLE entityMetricEvents DELETE WHERE entityId = {crucible} AND source = 'vote'
                    AND (userId, sourceLsn) IN (SELECT user_id, vote_seq FROM crucible_entry_rating WHERE {which})""",  # noqa: S608
                settings=AT_ONCE,
            )
        client.command(f"ALTER TABLE crucible_entry_rating DELETE WHERE {which}", settings=AT_ONCE)
        if everywhere:
            for view in ("crucible_votes", "entry_record", "judge_activity", "entry_rating"):
                client.command(f"TRUNCATE TABLE {view}_v1")


def last_of(world: VoteWorld, crucible: int) -> tuple[int, int]:
    """The last vote that ClickHouse has."""
    asked = f"SELECT max((vote_epoch, vote_seq)) FROM crucible_entry_rating WHERE crucible_id = {crucible}"  # noqa: S608
    found: tuple[int, int] = world.ask(asked)[0][0]
    return found


@pytest.fixture
def two_epochs(judged: VoteWorld) -> VoteWorld:
    """Votes in two epochs, all of which are drained: Redis was started anew in between."""
    judged.stack.redis.kill()
    judged.start_redis()
    judged.keep(*ids_of(judged))
    judged.vote(*ids_of(judged), votes=200)
    judged.drained()
    return judged


@pytest.mark.parametrize("everywhere", [False, True])
def test_votes_that_clickhouse_has_lost_come_back_from_redis(two_epochs: VoteWorld, *, everywhere: bool) -> None:
    """From the middle, the last of an epoch that is over, and the last of all, whose numbers leave no gap."""
    world = two_epochs
    middle, last, older, *_ = ids_of(world)
    (epoch, seq), first = last_of(world, last), last_of(world, older)[0] - 1
    asked = f"SELECT max(vote_seq) FROM crucible_entry_rating WHERE crucible_id = {older} AND vote_epoch = {first}"  # noqa: S608
    ((end,),) = world.ask(asked)
    lose(world, middle, (last_of(world, middle)[0], 2), (last_of(world, middle)[0], 3), everywhere=everywhere)
    lose(world, last, (epoch, seq), (epoch, seq - 1), everywhere=everywhere)
    lose(world, older, (first, end), everywhere=everywhere)
    before = {one: world.redis.hgetall(keys.elo(one)) for one in ids_of(world)}

    told = run(world)
    assert told[ONLY_IN_REDIS] == (5, 5, True)
    assert "vote missing" not in told
    mended = run(world, fix=True)
    assert mended[ONLY_IN_REDIS] == (5, 0, True)
    assert {kind: left for kind, (_, left, _) in mended.items() if left} == {}
    assert run(world) == {}
    assert verdict(world, *ids_of(world)) == []
    assert {one: world.redis.hgetall(keys.elo(one)) for one in ids_of(world)} == before
    with world.clickhouse() as client:
        votes = VoteHistory(lambda: client, queries())
        assert recount(last, votes).last.votes == votes.last_vote(last).votes


def test_all_votes_come_back_when_clickhouse_has_lost_all(judged: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that a rebuild has packed, some at a time; what waits in the logs is none of them."""
    monkeypatch.setattr(redis_votes, "SOME_VOTES", 20)
    packed, *others = ids_of(judged)
    with judged.verification() as verification:
        verification.verifier.rebuild(packed)
    ((votes,),) = judged.ask("SELECT count() FROM crucible_entry_rating")
    with judged.clickhouse() as client:
        for table in ("crucible_entry_rating", *(f"{one}_v1" for one in ("crucible_votes", "entry_record"))):
            client.command(f"TRUNCATE TABLE {table}")
        for table in ("judge_activity_v1", "entry_rating_v1"):
            client.command(f"TRUNCATE TABLE {table}")
    judged.vote(*others, votes=30)

    assert run(judged, fix=True)[ONLY_IN_REDIS] == (votes, 0, True)
    judged.drained()
    assert run(judged) == {}
    assert verdict(judged, *ids_of(judged)) == []


def test_what_redis_has_lost_too_is_told_and_redis_is_left_alone(judged: VoteWorld) -> None:
    """Its judge's outcome is gone; as many late votes hide that there are too few, and the number stays passed over.

    Without looking for missing votes before, Redis' ratings and numbers would be set to what ClickHouse still has.
    """
    crucible, *_ = ids_of(judged)
    judged.stack.redis.kill()
    judged.start_redis()
    judged.keep(*ids_of(judged))
    epoch = last_of(judged, crucible)[0]
    asked = f"SELECT user_id FROM crucible_entry_rating WHERE crucible_id = {crucible} AND vote_seq = 2"  # noqa: S608
    ((judge,),) = judged.ask(asked)
    lose(judged, crucible, (epoch, 2))
    judged.redis.delete(keys.judged(crucible, judge))
    add_votes(judged, crucible, 3)
    before = judged.redis.hgetall(keys.elo(crucible)), judged.redis.hgetall(keys.votes(crucible))

    told = run(judged)
    assert told["vote missing"] == (1, 1, False)
    assert ONLY_IN_REDIS not in told
    mended = run(judged, fix=True)
    assert mended["vote missing"] == (1, 1, False)
    assert mended["votes that Redis does not know"][2] is False
    assert (judged.redis.hgetall(keys.elo(crucible)), judged.redis.hgetall(keys.votes(crucible))) == before
    with judged.clickhouse() as client, pytest.raises(ReplayDiffersError, match="lacks votes"):
        recount(crucible, VoteHistory(lambda: client, queries()))


def test_nothing_is_taken_from_a_redis_that_was_not_compared(judged: VoteWorld) -> None:
    """Started anew, with a part of a vote that was cut off, or in the middle of a rebuild: its votes are no proof."""
    crucible, *_ = ids_of(judged)
    lose(judged, crucible, last_of(judged, crucible))
    counted = CountedVotes(judged.redis)
    assert counted.drained_until(crucible) is not None
    judged.redis.hset(keys.state(crucible), "rebuilding", "x")
    rebuilding = run(judged, fix=True, only=crucible)
    judged.redis.hdel(keys.state(crucible), "rebuilding")
    judged.redis.hincrby(keys.state(crucible), "counted", 1)
    cut_off = run(judged, fix=True, only=crucible)
    judged.redis.hincrby(keys.state(crucible), "counted", -1)
    judged.stack.redis.kill()
    judged.start_redis()

    assert ONLY_IN_REDIS not in {**rebuilding, **cut_off}
    assert counted.drained_until(crucible) is None


@pytest.mark.parametrize("place", ["repair.decided", "repair.copied", "repair.written"])
def test_who_dies_bringing_votes_back_is_finished_by_the_next(
    judged: VoteWorld, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    crucible, *_ = ids_of(judged)
    epoch = last_of(judged, crucible)[0]
    lose(judged, crucible, (epoch, 2), last_of(judged, crucible))
    scythe = Scythe(monkeypatch, repairer, redis_crucibles)
    scythe.run(lambda: run(judged, fix=True) and None, 1, place)
    assert scythe.killed.total() == 1

    run(judged, fix=True)
    assert run(judged) == {}
    assert verdict(judged, *ids_of(judged)) == []


def test_two_runs_at_once_bring_votes_back_once(judged: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have found them before either has decided anything; nor does it matter if they see nothing of each other."""
    crucible, *_ = ids_of(judged)
    epoch = last_of(judged, crucible)[0]
    lose(judged, crucible, (epoch, 2), (epoch, 3))
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(run, judged, fix=True) for _ in range(2)]:
            done.result(120)
    assert verdict(judged, *ids_of(judged)) == []
    lose(judged, crucible, (epoch, 2), (epoch, 3))
    with comparing(judged) as one, comparing(judged) as other:
        found = [list(each._votes().only_elsewhere(crucible)) for each in (one, other)]
        monkeypatch.setattr(repairer.repair, "open_repairs", lambda *_: [])
        for each, some in zip((one, other), found, strict=True):
            mender = each._vote_repairer(each._votes())
            rows = repairer.vote_rows({crucible: some[0]})
            mender._decide_and_do([mender._once_plan(crucible, repairer.VoteKind.ONLY_IN_REDIS, len(rows), rows)])

    assert verdict(judged, *ids_of(judged)) == []


def test_a_rebuild_that_would_lose_votes_is_refused(judged: VoteWorld) -> None:
    """Nothing is changed then, and it names what brings them back; who insists goes on without them."""
    crucible, *_ = ids_of(judged)
    lose(judged, crucible, last_of(judged, crucible))
    before = judged.redis.hgetall(keys.elo(crucible)), judged.redis.hgetall(keys.state(crucible))
    with judged.verification() as verification:
        rebuild = verification.verifier.rebuild
        with pytest.raises(VotesOnlyInRedisError, match=f"lacks 1 vote .*reconcile --crucible {crucible} --fix"):
            rebuild(crucible)
        assert (judged.redis.hgetall(keys.elo(crucible)), judged.redis.hgetall(keys.state(crucible))) == before
        done = judged.crucible_command("rebuild", str(crucible))
        assert (done.returncode, "--give-up-votes" in done.stderr) == (1, True), done.stderr
        assert isinstance(rebuild(crucible, giving_up=True), Rebuilt)
