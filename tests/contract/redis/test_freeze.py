"""The freeze: votes are in or out, whoever casts how many at once, and what was counted before it stays as it is."""

from collections.abc import Iterator

import pytest
import redis

from stack import Stack
from tests.awaiting import await_that
from tests.contract.redis.arena import CRUCIBLE, FENCE, Arena, counted
from tests.contract.redis.rows import apply, contents, state
from tests.contract.redis.test_votes_at_once import Answers, check_answers, voting
from watcher.model.vote import VoteOutcome, VoteRefusal
from watcher.redis import keys
from watcher.redis.freeze import freeze
from watcher.redis.locked_crucible import lock_crucible
from watcher.redis.scripts import VOTE

JUDGE = 5
ENTRIES = tuple(range(1, 31))
FIELDS = state(CRUCIBLE, start_at=None, end_at=None).fields()


@pytest.fixture
def arena(client: redis.Redis) -> Arena:
    return Arena(client)


@pytest.fixture
def plain(server: Stack) -> Iterator[redis.Redis]:
    """A client whose answers stay bytes, as the watcher's."""
    with redis.Redis.from_url(server.redis.url) as opened:
        yield opened


def frozen_among_votes(server: Stack, arena: Arena, script: str = VOTE.text) -> tuple[tuple[int, int], list[Answers]]:
    """Freeze while four processes vote as fast as they can; returns the last vote's place and all answers."""
    length = keys.log(arena.crucible_id)
    with voting(server, entries=len(ENTRIES), judges=100_000, abreast=4, script=script) as voters:
        await_that(lambda: int(arena.client.xlen(length)) > 200, "votes")  # type: ignore[arg-type]
        place = freeze(arena.client, arena.crucible_id, FENCE)
        assert place is not None
        if script != VOTE.text:  # nothing refuses there: so long that some come after the freeze
            await_that(lambda: int(arena.client.xlen(length)) > place[1] + 50, "more votes")  # type: ignore[arg-type]
            arena.client.hset(keys.state(arena.crucible_id), "end", 1)
        return place, voters.answers()


def test_votes_around_a_freeze_are_in_or_out(server: Stack, client: redis.Redis) -> None:
    """From many processes in the very moment: the log ends where the freeze said, and each answer is what it has."""
    arena = Arena(client, entries=ENTRIES)

    place, answers = frozen_among_votes(server, arena)

    votes = check_answers(arena, answers)
    assert place == (1, votes)
    assert arena.log()[-1].seq == votes
    assert all(each[-1][1] in {VoteRefusal.FROZEN, VoteRefusal.JUDGED_OTHERWISE} for each in answers)
    assert sum(len(counted(came for _, came in each)) for each in answers) == votes


def test_without_the_freeze_votes_come_after_it(server: Stack, client: redis.Redis) -> None:
    """A script that does not look at it numbers votes beyond the place that was told: the check above sees it."""
    weak = VOTE.text.replace("if state[8] then return { 'frozen' } end\n", "")
    assert weak != VOTE.text
    arena = Arena(client, entries=ENTRIES)

    place, _ = frozen_among_votes(server, arena, weak)

    assert arena.log()[-1].seq > place[1]


def test_a_frozen_crucible_stays_frozen(client: redis.Redis) -> None:
    """Asked again it tells the same place; its row may change, its end move, its week begin."""
    arena = Arena(client)
    arena.vote(JUDGE, 1, 2)
    assert freeze(client, CRUCIBLE, FENCE) == (1, 1)
    before = contents(client)
    assert freeze(client, CRUCIBLE, FENCE) == (1, 1)
    assert contents(client) == before

    for lsn, row in enumerate((state(CRUCIBLE), state(CRUCIBLE, "Completed"), state(CRUCIBLE)), 10):
        apply(client, [(lsn, row)])
        assert not isinstance(arena.vote(JUDGE, 3, 4), VoteOutcome)
    assert arena.vote(JUDGE, 3, 4) is VoteRefusal.FROZEN


def test_an_absent_crucible_is_not_made_by_a_freeze(client: redis.Redis) -> None:
    """It would be one without rows; whoever freezes has it brought back first."""
    assert freeze(client, CRUCIBLE, FENCE) is None
    assert contents(client) == {}


@pytest.mark.parametrize("fields", [{"rebuilding": "token"}, {"fence": "another process"}], ids=["rebuilt", "set back"])
def test_a_crucible_that_nobody_has_compared_is_not_frozen(
    arena: Arena, client: redis.Redis, fields: dict[str, str]
) -> None:
    """What it holds as the last vote may be another one; nobody votes meanwhile."""
    arena.set(**fields)
    before = contents(client)

    assert freeze(client, CRUCIBLE, FENCE) is None
    assert contents(client) == before
    assert arena.vote(JUDGE, 1, 2) is VoteRefusal.UNVERIFIED


@pytest.mark.parametrize(
    ("held", "known", "then"), [("", "3:9", "3:9"), ("2:4", "3:9", "2:4"), ("2:4", "", "2:4"), ("2:4", "=4:0", "4:0")]
)
def test_a_verifier_keeps_a_freeze_and_brings_back_one(
    arena: Arena, plain: redis.Redis, held: str, known: str, then: str
) -> None:
    """What Redis holds stays; what it has lost comes from whoever opens it, in the moment in which it is opened."""
    if held:
        arena.set(frozen=held)
    with lock_crucible(plain, CRUCIBLE, {}) as locked:
        assert locked is not None
        closed = locked.close()
        locked.open(4, FENCE, closed, keys.mark(1, 0), FIELDS, votes_before=9, frozen=known)

    assert plain.hget(keys.state(CRUCIBLE), keys.FROZEN) == then.encode()
    assert arena.vote(JUDGE, 1, 2) is VoteRefusal.FROZEN


def test_a_verifier_that_knows_of_no_freeze_opens(arena: Arena, plain: redis.Redis) -> None:
    """The check above sees a vote that counts."""
    with lock_crucible(plain, CRUCIBLE, {}) as locked:
        assert locked is not None
        locked.open(4, FENCE, locked.close(), keys.mark(1, 0), FIELDS, votes_before=9)

    assert isinstance(arena.vote(JUDGE, 1, 2), VoteOutcome)
