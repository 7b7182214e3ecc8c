"""Ratings and numbers of votes that somebody has written into Redis by hand fail no script: others' entries go on.

What is no number counts as none, until a comparison puts it right.
"""

import pytest
import redis

from stack.topology import Stack
from tests.contract.redis.arena import CREATED_MS, CRUCIBLE, OWNERS_FROM, Arena
from tests.contract.redis.rows import apply
from tests.contract.redis.test_refused_halfway import FIRST, Without, torn, without
from watcher.model.effects import EntryState
from watcher.model.rating import BASE_RATING
from watcher.model.vote import VoteOutcome
from watcher.redis import keys
from watcher.redis.admit import ADMIT, Placement, admit_command
from watcher.redis.draw import DRAW, draw_command, drawn
from watcher.redis.voted_entries import HeldEntry, held_entries

__all__ = ["without"]
NO_NUMBERS = ["no number", "", "1500.5", "nan", "1e400", "99999999999999999999"]


@pytest.fixture(params=NO_NUMBERS)
def arena(client: redis.Redis, request: pytest.FixtureRequest) -> Arena:
    """A crucible whose entry 2 has no numbers."""
    made = Arena(client)
    client.hset(keys.elo(CRUCIBLE), "2", request.param)
    client.hset(keys.votes(CRUCIBLE), "2", request.param)
    client.script_load(DRAW.text)
    client.script_load(ADMIT.text)
    return made


def test_pairs_are_drawn_without_it(arena: Arena, server: Stack) -> None:
    """One entry without a rating does not keep the others from being judged."""
    command = draw_command(CRUCIBLE, user_id=5, mask=31, count=32, top=4, seed=1)
    with redis.Redis.from_url(server.redis.url) as raw:
        found = drawn(raw.execute_command(*command))

    assert found is not None
    assert {one.entry_id for one in found.entries} == {one.entry_id for one in found.top} == {1, 3, 4}


def test_a_vote_on_it_counts_from_the_base(arena: Arena) -> None:
    """What is written of it are numbers that ClickHouse's columns hold."""
    came = arena.vote(5, 2, 1)

    assert isinstance(came, VoteOutcome)
    assert (came.winner_elo, came.loser_elo) == (1516, 1484)
    (logged,) = arena.log()
    assert (logged.winner_elo, logged.loser_elo) == (1516, 1484)
    assert arena.client.hmget(keys.elo(CRUCIBLE), ["1", "2"]) == ["1484", "1516"]


def test_a_vote_that_was_refused_halfway_is_finished(arena: Arena, without: Without) -> None:
    """Whoever comes next does all of it again."""
    torn(arena, without("zadd"))

    assert arena.votes(FIRST)[0].winner_elo == 1516


def test_a_row_of_it_that_changes_is_shown(arena: Arena) -> None:
    """It comes with others', which must not wait for it."""
    moved = [(9, EntryState(CRUCIBLE, one, OWNERS_FROM + one, one + 9, CREATED_MS + 50)) for one in (2, 3)]

    assert apply(arena.client, moved) == [2, 0]

    places = dict(arena.client.zrange(keys.standings(CRUCIBLE), 0, -1, withscores=True))  # type: ignore[arg-type]
    assert places[keys.standing(CREATED_MS + 50, 2)] == -BASE_RATING


def test_it_is_not_admitted_anew(arena: Arena) -> None:
    """Its standing is not known; that of others in the same call is."""
    arena.client.delete(keys.admitted(CRUCIBLE), keys.standings(CRUCIBLE), keys.pool(CRUCIBLE, 1))

    came = arena.client.execute_command(*admit_command(CRUCIBLE, [Placement(one, 1, one + 9) for one in (2, 3)]))

    assert came == ["unknown", "admitted"]


def test_a_comparison_reads_that_there_is_none(arena: Arena, server: Stack) -> None:
    """So it differs from what votes have made of it."""
    with redis.Redis.from_url(server.redis.url) as raw:
        assert list(held_entries(raw, CRUCIBLE, [2, 3])) == [HeldEntry(None, 0), HeldEntry(BASE_RATING, 0)]
