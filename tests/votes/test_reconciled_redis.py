"""What Redis shows otherwise than the other stores say is found, named, and put right by the verifier."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contract.redis.rows import apply
from tests.scythe import Scythe
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.bootstrap import rolling_others
from watcher.bootstrap.reconciling_crucibles import CrucibleComparer
from watcher.bootstrap.verification import verifying_unheard
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.vote_history import VoteHistory
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.drain_plan import event_rows, vote_rows
from watcher.model.effects import EntryGone
from watcher.model.vote import LoggedVote
from watcher.postgres.own import history
from watcher.postgres.session import open_session
from watcher.reconcile.command.resumption import Resumption
from watcher.reconcile.difference_reports import DifferenceReports
from watcher.reconcile.others import by_place
from watcher.reconcile.redis import crucibles as redis_crucibles
from watcher.reconcile.redis.crucible import CrucibleLook, RedisKind
from watcher.reconcile.redis.crucibles import REDIS, RedisComparison
from watcher.reconcile.votes.comparison import VoteComparison
from watcher.reconcile.votes.redis_votes import RedisVotes
from watcher.redis import keys
from watcher.redis.vote_log import VoteLog
from watcher.votes.balance import VoteBalance

AT_ONCE = {"mutations_sync": 2}
AHEAD = keys.mark(1, 10**18)
"""Where no log will ever be."""


@contextmanager
def comparing(world: VoteWorld) -> Iterator[RedisComparison]:
    """A run of its own, which does not wait between two looks."""
    history = VoteHistory(lambda: world._clients.of(world.name), queries())
    with (
        world.verification() as verification,
        open_session(str(world.stack.endpoints.postgres_dsn), world.name) as session,
    ):
        look = CrucibleLook(world.redis, session, history, undecided=True)
        balance = VoteBalance(world.redis, history, None)  # type: ignore[arg-type]
        votes = VoteComparison(
            ClickHouseReads(lambda: world._clients.of(world.name), queries()),
            VoteLog(world.redis).oldest,
            RedisVotes(world.redis, session, history, lambda _: None),
            lambda _: None,
        )
        yield RedisComparison(
            world.redis,
            session,
            look,
            balance,
            lacks=votes.lacks,
            verifier=verification.verifier,
            pause=lambda _: None,
        )


def compare(run: RedisComparison, findings: DifferenceReports, only: list[int], *, fix: bool) -> None:
    """Crucibles of other tests are active, and not in this Redis."""
    ids = [one for one in run.known() if one in only]
    run.compare_these(ids, findings, lambda *_: None, mends=frozenset(RedisKind) if fix else ())


def found(world: VoteWorld, *, fix: bool = False) -> dict[str, tuple[int, int, bool]]:
    """Rows, those that are left, and whether what is right can be derived, by kind."""
    findings = DifferenceReports(3)
    with comparing(world) as one:
        compare(one, findings, ids_of(world), fix=fix)
    return {each.kind: (each.rows, each.left, each.derivable) for each in findings.all()}


def by_turns(
    world: VoteWorld, monkeypatch: pytest.MonkeyPatch, passed: Callable[[int], None]
) -> dict[tuple[str, str], int]:
    """What turns find, two crucibles a time, by where and kind; ``passed`` stands for waiting for the stream.

    Crucibles of other tests are active, and not in this Redis.
    """
    monkeypatch.setattr(rolling_others, "PART_CRUCIBLES", 2)
    settings, seen = world.settings(), dict[tuple[str, str], int]()
    dsn = str(world.stack.endpoints.postgres_dsn)
    with (
        open_session(dsn, world.name) as session,
        CrucibleComparer(
            settings, session, "a test", print, pause=lambda _: None, verifying=verifying_unheard
        ) as comparer,
    ):
        history.check(session)
        for one in rolling_others.others(settings, comparer, passed, lambda _: None):
            follows: int | None = 0
            while follows is not None:
                before = follows
                findings, follows = one.part(follows)
                assert follows is None or follows > before
                for place, kinds in by_place(one.places, findings):
                    for kind in kinds.keys() - {RedisKind.ABSENT}:
                        seen[place, kind] = seen.get((place, kind), 0) + kinds[kind]
    return seen


@pytest.fixture
def judged(world: VoteWorld) -> VoteWorld:
    """Some crucibles with votes, all of which are drained; those of other tests are of no interest."""
    ids = [world.crucible(entries=5) for _ in range(6)]
    world.keep(*ids)
    world.vote(*ids, votes=300)
    world.drained()
    world.crucibles = ids  # type: ignore[attr-defined]
    return world


def ids_of(world: VoteWorld) -> list[int]:
    """The crucibles of the test."""
    ids: list[int] = world.crucibles  # type: ignore[attr-defined]
    return ids


def plant(world: VoteWorld) -> dict[str, int]:
    """Have Redis be wrong in each way that there is; how often, by kind."""
    rows, votes, gone, lost, *_ = ids_of(world)
    missing, other, verdict_of, hidden, moved = map(str, world.entries(rows))
    world.redis.hdel(keys.entries(rows), missing)
    world.redis.hset(keys.entries(rows), "999999999", keys.mark(1, 5) + '{"user":1,"image":2,"created":3}')
    text = world.redis.hget(keys.entries(rows), other).decode()  # type: ignore[union-attr]
    world.redis.hset(keys.entries(rows), other, text.replace('"image":', '"image":9'))
    world.redis.hset(keys.state(rows), "row", "{}")
    with world.site() as site:
        for entry, decided_in in (
            (verdict_of, rows),
            (moved, votes),
        ):  # the latter was moved here, which is no difference
            site.execute(
                f"""INSERT INTO {world.name}.entry_verdict
                           (entry_id, crucible_id, user_id, image_id, verdict, entered_at)
                    SELECT id, %s, "userId", "imageId", 'admitted', "createdAt" FROM "CrucibleEntry" WHERE id = %s""",  # noqa: S608
                [decided_in, entry],
            )
    world.redis.hset(keys.verdicts(rows), verdict_of, AHEAD + "0")
    world.redis.hset(keys.verdicts(rows), other, keys.mark(1, 5) + "0")  # of which PostgreSQL has none any more
    world.redis.hdel(keys.admitted(rows), hidden)
    first, second, stuck, markless, wordy = map(str, world.entries(votes))
    world.redis.hincrby(keys.elo(votes), first, 7)
    world.redis.hset(keys.elo(votes), wordy, "a word")
    world.redis.hset(keys.elo(votes), mapping={"999999997": 1600, "of a test": 1})
    world.redis.hset(keys.votes(votes), "999999997", 3)
    world.redis.hincrby(keys.votes(votes), second, 1)
    world.redis.zincrby(keys.standings(votes), 3, world.redis.zrange(keys.standings(votes), 4, 4)[0])  # type: ignore[index]
    world.redis.sadd(keys.pool(votes, 1), "999999999")
    world.redis.hset(keys.entries(rows), "999999998", AHEAD)
    world.redis.hdel(keys.state(rows), "mark")
    world.redis.hset(keys.state(votes), "horizon", AHEAD)
    rows_of = {one: world.redis.hget(keys.entries(votes), one)[keys.MARK_CHARACTERS :] for one in (stuck, markless)}  # type: ignore[index]
    world.redis.hset(keys.entries(votes), stuck, AHEAD.encode() + rows_of[stuck])
    world.redis.hset(keys.entries(votes), markless, rows_of[markless])
    with world.site() as site:
        site.execute('DELETE FROM "CrucibleEntry" WHERE "crucibleId" = %s', [gone])
        site.execute('DELETE FROM "Crucible" WHERE id = %s', [gone])
    world.redis.hset(keys.elo(gone), mapping={"999999999": "1500", "x": "1500"})
    world.redis.delete(keys.state(lost))
    return {
        "entry missing": 1,
        "entry that PostgreSQL does not have": 1,
        "entry's row differs": 2,
        "mark not of the log": 6,
        "crucible's row differs": 1,
        "verdict differs": 2,
        "rating differs": 4,
        "number of votes differs": 2,
        "pools differ": 2,
        "crucible that PostgreSQL does not have": 1,
        "active crucible absent": 1,
    }


def test_each_kind_is_named_and_put_right(judged: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the verifier, to the numbers that a replay of the votes gives; without being told to nothing is written.

    A mark is put right for what comes: an entry whose mark no log reaches stays shown when it leaves, until then.

    Before, nothing is told, whatever is on its way: votes that wait in the log are not in ClickHouse yet. Turns of a
    watcher find the same, some crucibles at a time, once the stream is past what they have read.
    """
    passed = list[int]()
    for name in "test", "5000000000", "-1":  # somebody else's keys, which look like ours
        judged.redis.hset(f"{{crucible:{name}:elo}}:state", "row", "x")
    judged.vote(*ids_of(judged), votes=40)
    assert found(judged) == by_turns(judged, monkeypatch, passed.append) == {}
    assert passed == []
    judged.drained()
    kinds = plant(judged)
    stuck = judged.entries(ids_of(judged)[1])[2]
    assert apply(judged.redis, [(judged.log_end(), EntryGone(ids_of(judged)[1], stuck))]) == [0, 1], "older than AHEAD"
    looked = found(judged)
    assert "standing differs" in looked
    assert {kind: (rows, rows, True) for kind, rows in kinds.items()}.items() <= looked.items()
    turns = by_turns(judged, monkeypatch, passed.append)
    assert turns == {(REDIS, kind): rows for kind, (rows, *_) in looked.items() if kind != RedisKind.ABSENT}
    mended = dict[str, tuple[int, int, bool]]()

    def put_right(_: int) -> None:
        mended.update({} if mended else found(judged, fix=True))

    assert by_turns(judged, monkeypatch, put_right) == {}  # what comes while the stream is waited for is no drift
    assert {kind: left for kind, (_, left, _) in mended.items()} == dict.fromkeys(looked, 0)
    assert found(judged) == {}
    assert verdict(judged, *ids_of(judged)[:2], *ids_of(judged)[3:]) == []
    left = judged.take_out(ids_of(judged)[1], stuck)
    assert apply(judged.redis, [(judged.log_end(), EntryGone(left.crucible_id, left.entry_id))]) == [1, 0]
    with judged.clickhouse() as client:
        client.command(
            f"ALTER TABLE crucible_votes_v1 DELETE WHERE crucible_id = {ids_of(judged)[0]}", settings=AT_ONCE
        )
    assert by_turns(judged, monkeypatch, passed.append) == {("crucible_votes", "view"): 1}


def test_turns_put_right_what_cannot_spread(judged: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """With auto_fix: rows, verdicts and marks in Redis, and the event of a vote that has none.

    Ratings stay, which would be read from views that may be wrong, and votes that are there twice, which have an event.
    """
    *_, lacking, twice = ids_of(judged)
    plant(judged)
    add_votes(judged, lacking, 1, events=False)
    asked = "SELECT crucible_id, count() FROM crucible_entry_rating GROUP BY 1"
    votes, cast = dict(judged.ask(asked))[twice], dict(judged.ask(asked))[lacking] - 1
    with judged.clickhouse() as client:
        client.command(
            f"INSERT INTO crucible_entry_rating SELECT * FROM crucible_entry_rating WHERE crucible_id = {twice}"  # noqa: S608
        )
    shown = judged.redis.hgetall(keys.elo(ids_of(judged)[1]))
    monkeypatch.setitem(judged.environ, "CRUCIBLE_RECONCILE__AUTO_FIX", "true")
    left = by_turns(judged, monkeypatch, lambda _: None)

    assert {kind for where, kind in left if where == REDIS} == {
        RedisKind.RATING, RedisKind.VOTES, RedisKind.POOLS, RedisKind.STANDING, RedisKind.MORE_VOTES,
    }  # fmt: skip
    assert left["crucible_entry_rating", "vote there twice"] == votes
    assert ("entityMetricEvents", "vote without event") not in left
    events = f"""SELECT entityId, sum(metricValue) FROM entityMetricEvents WHERE metricType = 'Vote'
                 AND entityType = 'Crucible' AND entityId IN ({lacking}, {twice}) GROUP BY 1"""  # noqa: S608
    assert dict(judged.ask(events)) == {twice: votes, lacking: cast + 1}
    assert judged.redis.hgetall(keys.elo(ids_of(judged)[1])) == shown
    assert "active crucible absent" not in found(judged)


class _DiedError(Exception):
    """The run is killed."""


def test_a_run_that_was_killed_goes_on_among_votes_views_and_redis(
    judged: VoteWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With what it had found, a crucible or view further: what is behind is not looked at again, though it is right.

    Twice there are the votes of two crucibles, a view shows too much of a key, and of two crucibles Redis shows another
    rating; the run dies after the first of each of them.
    """
    monkeypatch.setattr(redis_crucibles, "SOME_CRUCIBLES", 2)
    monkeypatch.setattr("watcher.reconcile.views.LOOK_SECONDS", 0.05)
    first, *_, last = ids = ids_of(judged)
    ratings = {one: str(judged.entries(one)[0]) for one in (first, last)}
    with judged.clickhouse() as client:
        for one in ids[:2]:
            client.command(
                f"INSERT INTO crucible_entry_rating SELECT * FROM crucible_entry_rating WHERE crucible_id = {one}"  # noqa: S608
            )
    for one, entry in ratings.items():
        judged.redis.hincrby(keys.elo(one), entry, 7)
    file, heard = tmp_path / "state.json", list[tuple[str, int]]()
    with open_session(str(judged.stack.endpoints.postgres_dsn), judged.name) as session:
        history.check(session)

        def run(dies_at: tuple[str, int] | None = None) -> dict[tuple[str, str], int]:
            def hear(where: str, done: int, _: int) -> None:
                heard.append((where, done))
                if (where, done) == dies_at:
                    raise _DiedError

            remembered = Resumption(file, {})
            with CrucibleComparer(
                judged.settings(), session, "a test", print, pause=lambda _: None, verifying=verifying_unheard
            ) as comparer:
                votes = comparer.votes(remembered, hear, fix=False)
                views = comparer.views(remembered, hear, fix=False)
                redis = comparer.redis(remembered, hear, fix=False)
            assert views == ()
            return {(one.where, one.kind): one.rows for one in (*votes, *redis)}

        whole = run()
        file.unlink()
        assert heard == [("votes", 1), ("votes", 2), *[("views", at + 1) for at in range(7)]] + [
            ("redis", at) for at in (2, 4, 6)
        ]
        for died in ("votes", 1), ("views", 1), (REDIS, 2):
            with pytest.raises(_DiedError):
                run(died)
        judged.redis.hincrby(keys.elo(first), ratings[first], -7)
        heard.clear()

        assert run() == whole
        assert heard == [*[("views", at + 1) for at in range(7)], (REDIS, 2), (REDIS, 4)]


def add_votes(world: VoteWorld, crucible: int, number: int, *, events: bool = True) -> None:
    """Bring votes into ClickHouse that Redis knows nothing of, as a late insert does."""
    first, second, *_ = world.entries(crucible)
    with world.clickhouse() as client:
        history = VoteHistory(lambda: client, queries())
        last = history.last_vote(crucible)
    some = [
        LoggedVote(last.epoch, last.seq + at, first, second, 9_000_000 + at, 1_790_000_000_000, 1600 + at, 1400 - at)
        for at in range(1, number + 1)
    ]
    tables = VoteTables(lambda: world._clients.of(world.name), queries())
    tables.votes.write(_Late(f"late {crucible}"), vote_rows({crucible: some}))
    if events:
        tables.events.write(_Late(f"late {crucible}"), event_rows({crucible: some}))
    tables.close()


class _Late:
    """A plan of a test."""

    doubtful = False

    def __init__(self, token: str) -> None:
        self.token = token


def test_late_votes_are_taken_in_while_nobody_has_voted_since(judged: VoteWorld) -> None:
    """Else nobody can tell which ratings are right, and nothing is touched."""
    taken, left, lacked, *_ = ids_of(judged)
    judged.stack.redis.kill()
    judged.start_redis()
    judged.keep(*ids_of(judged))
    add_votes(judged, taken, 4)
    assert found(judged)["votes that Redis does not know"] == (4, 4, True)
    assert found(judged, fix=True)["votes that Redis does not know"] == (4, 0, True)
    assert found(judged) == {}
    judged.vote(left, votes=5)
    judged.drained()
    add_votes(judged, left, 3)
    before = judged.redis.hgetall(keys.elo(left))

    assert found(judged, fix=True)["votes that Redis does not know"] == (3, 3, False)
    assert judged.redis.hgetall(keys.elo(left)) == before
    judged.redis.hincrby(keys.state(lacked), "before", 6)
    judged.redis.hincrby(keys.elo(lacked), str(judged.entries(lacked)[0]), 9)
    before = judged.redis.hgetall(keys.elo(lacked))

    assert found(judged, fix=True)["votes that ClickHouse lacks"] == (6, 6, False)
    assert judged.redis.hgetall(keys.elo(lacked)) == before, "Redis alone has those votes' ratings"


def test_who_dies_in_it_is_finished_by_the_next(judged: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(judged)
    scythe = Scythe(monkeypatch, redis_crucibles)
    for place in ("repair.doubted", "repair.shown"):
        scythe.run(lambda: found(judged, fix=True) and None, 1, place)
    assert set(scythe.killed) == {"repair.doubted", "repair.shown"}
    found(judged, fix=True)

    assert found(judged) == {}
    assert verdict(judged, *ids_of(judged)[:2], *ids_of(judged)[3:]) == []


def test_two_runs_at_once_among_votes(judged: VoteWorld) -> None:
    """The verifier has a crucible to itself; who comes second finds it right, or leaves it to the first."""
    plant(judged)
    ids = ids_of(judged)
    with comparing(judged) as one, comparing(judged) as other, judged.judging(*ids[3:]), ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(compare, run, DifferenceReports(3), ids, fix=True) for run in (one, other)]
        for done in runs:
            done.result(120)
    judged.drained()
    found(judged, fix=True)

    assert found(judged) == {}
    assert verdict(judged, *ids_of(judged)[:2], *ids_of(judged)[3:]) == []
