"""Many votes at once, and ClickHouse away under votes.

With ``--soak`` (`make soak`) a hundred thousand of them, and a minute; in the suite a part of both.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from tests.awaiting import await_that
from tests.replay import replay
from tests.votes.crowd import crowd
from tests.votes.verdict import verdict
from tests.votes.world import BREATH_SECONDS, VoteWorld
from watcher.model.rating import BASE_RATING
from watcher.model.vote import LoggedVote, VoteRefusal
from watcher.redis import keys

JUDGES = 1_000
"""Their ids from this on; lower ones have entries."""
LOG = 1_500
"""Votes that may wait, where the test wants that bound met."""
BYTES_PER_VOTE = 1_500
"""Bytes that a vote may take in Redis: its place in the log, its judge, his outcome."""
Shown = Mapping[int, tuple[int, int]]
"""By entry, rating and votes."""


class Three(NamedTuple):
    """The same crucible, three times."""

    replayed: Shown
    redis: Shown
    clickhouse: Shown


def _three(world: VoteWorld, crucible_id: int) -> Three:
    """What the answers' replay gives, what Redis shows, and what ClickHouse shows, each asked on its own."""
    log = sorted(
        LoggedVote(came.epoch, came.seq, winner, loser, user, came.ms, came.winner_elo, came.loser_elo)
        for (crucible, user, winner, loser), came in world.cast.counted.items()
        if crucible == crucible_id
    )
    done = replay(log)
    ratings, votes = (world.redis.hgetall(name(crucible_id)) for name in (keys.elo, keys.votes))
    shown = world.ask(f"SELECT entry_id, rating, votes FROM entry_rating WHERE crucible_id = {crucible_id}")  # noqa: S608
    return Three(
        {entry: (rating, done.votes[entry]) for entry, rating in done.ratings.items()},
        {int(one): (int(rating), int(votes.get(one, 0))) for one, rating in ratings.items()},  # type: ignore[union-attr]
        {entry: (rating, counted) for entry, rating, counted in shown},
    )


def _one_more(world: VoteWorld, crucible_id: int) -> None:
    first, second, *_ = world.entries(crucible_id)
    world.redis.hincrby(keys.elo(crucible_id), str(first), 1)
    world.redis.hincrby(keys.elo(crucible_id), str(second), -1)


def _uncounted(world: VoteWorld, crucible_id: int) -> None:
    world.redis.hincrby(keys.votes(crucible_id), str(world.entries(crucible_id)[0]), -1)


def _twice(world: VoteWorld, crucible_id: int) -> None:
    with world.clickhouse() as client:
        client.command(
            "INSERT INTO crucible_entry_rating SELECT * FROM crucible_entry_rating "  # noqa: S608 - a number
            f"WHERE crucible_id = {crucible_id} LIMIT 1 SETTINGS insert_deduplicate = 0"
        )


def _forgotten(world: VoteWorld, crucible_id: int) -> None:
    del world.cast.counted[next(vote for vote in world.cast.counted if vote[0] == crucible_id)]


@pytest.fixture
def many(pytestconfig: pytest.Config) -> int:
    """Votes at once."""
    return 100_000 if pytestconfig.getoption("soak") else 2_000


def test_many_votes_at_once(world: VoteWorld, many: int) -> None:
    """No point is made or lost; the answers' replay, Redis and ClickHouse agree on each rating and each vote count.

    Then the control: one point, one count, one row or one answer that is amiss among them shows.
    """
    crucibles = [world.crucible(entries=200), world.crucible(entries=50), world.crucible(entries=10)]
    world.start("drain", "keep", votes__max_plan_votes="20000")
    world.await_votable(*crucibles)
    crowd(
        str(world.stack.endpoints.redis_url), {one: world.entries(one) for one in crucibles}, many, JUDGES, world.cast
    )
    world.await_drained()

    assert len(world.cast.counted) == many
    for crucible in crucibles:
        three = _three(world, crucible)
        assert three.redis.keys() == set(world.entries(crucible))
        assert sum(rating for rating, _ in three.redis.values()) == BASE_RATING * len(three.redis)
        assert three.replayed == three.redis == three.clickhouse
    assert sum(votes for one in crucibles for _, votes in _three(world, one).clickhouse.values()) == 2 * many
    assert verdict(world, *crucibles) == []

    for amiss, crucible in ((_one_more, 0), (_uncounted, 1), (_twice, 2)):
        amiss(world, crucibles[crucible])
        three = _three(world, crucibles[crucible])
        assert len({repr(sorted(one.items())) for one in three}) == 2
    _forgotten(world, crucibles[0])
    assert _three(world, crucibles[0]).replayed != _three(world, crucibles[0]).clickhouse


def _memory(world: VoteWorld) -> int:
    return int(world.redis.info("memory")["used_memory"])  # type: ignore[index]


@pytest.fixture
def away(pytestconfig: pytest.Config) -> float:
    """Seconds that ClickHouse is away."""
    return 60.0 if pytestconfig.getoption("soak") else 4.0


def test_clickhouse_away_under_votes(world: VoteWorld, away: float) -> None:
    """Votes are answered all the while; one crucible's log fills up, and its votes alone are refused; none doubles."""
    calm, busy = world.crucible(entries=40), world.crucible(entries=40)
    world.start("drain", "keep", votes__max_plan_votes="20000")
    world.await_votable(calm, busy)
    world.vote(calm, busy, votes=500)
    world.await_drained()
    world.stack.clickhouse.kill()
    before, since, taken = _memory(world), time.monotonic(), 0
    while time.monotonic() - since < away:
        assert world.vote(calm, votes=20) == 20
        taken += world.vote(busy, votes=100, max_log=LOG)
        assert world.redis.xlen(keys.log(busy)) <= LOG
        time.sleep(BREATH_SECONDS)
    while taken < LOG:  # a slow machine
        taken += world.vote(busy, votes=100, max_log=LOG)
    assert world.vote(busy, votes=100, max_log=LOG) == 0

    waiting = world.undrained()
    assert _memory(world) - before <= BYTES_PER_VOTE * waiting
    assert world.cast.refused.keys() == {VoteRefusal.BACKLOG}
    assert world.cast.unanswered == 0
    world.stack.clickhouse.start()
    world.stack.clickhouse.await_ready()
    await_that(lambda: world.vote(busy, votes=1, max_log=LOG) == 1, "votes are accepted again")
    world.await_drained()
    assert verdict(world, calm, busy) == []


def test_without_the_bound_what_waits_grows(world: VoteWorld) -> None:
    """The control: the same votes, and nothing that refuses them."""
    crucible = world.crucible(entries=40)
    world.keep(crucible)
    world.stack.clickhouse.kill()
    world.vote(crucible, votes=LOG + 500, max_log=10**9)

    assert world.redis.xlen(keys.log(crucible)) > LOG
