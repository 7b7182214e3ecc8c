"""The vote: every reason to refuse it, in order, before anything is written; repeats; and what a vote writes."""

from collections.abc import Callable

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.redis.arena import CREATED_MS, CRUCIBLE, FENCE, OWNERS_FROM, Arena
from tests.contract.redis.rows import apply, contents, state
from watcher.model.effects import EntryGone, EntryState
from watcher.model.rating import gain
from watcher.model.vote import Vote, VoteOutcome, VoteRefusal, pair_field
from watcher.redis import keys
from watcher.redis.freeze import freeze
from watcher.redis.scripts import VOTE, Script
from watcher.redis.vote import Ballot

JUDGE = 5


@pytest.fixture
def arena(client: redis.Redis) -> Arena:
    return Arena(client)


def now_ms(client: redis.Redis) -> int:
    seconds, micros = client.time()  # type: ignore[misc]
    return int(seconds) * 1000 + int(micros) // 1000


def test_a_vote_moves_points_and_is_noted(arena: Arena, client: redis.Redis) -> None:
    """Ratings, counts, standings, the judge, the outcome and the log: all of it, or none."""
    before = now_ms(client)
    came = arena.vote(JUDGE, 2, 1)
    after = now_ms(client)

    assert isinstance(came, VoteOutcome)
    assert before <= came.ms <= after
    assert came == VoteOutcome(1516, 1484, 16, 1, 1, came.ms, repeated=False)
    assert client.hmget(keys.elo(CRUCIBLE), "1", "2", "3") == ["1484", "1516", "1500"]
    assert client.hgetall(keys.votes(CRUCIBLE)) == {"1": "1", "2": "1"}
    assert client.smembers(keys.judges(CRUCIBLE)) == {str(JUDGE)}
    assert client.hgetall(keys.judged(CRUCIBLE, JUDGE)) == {"1:2": f"2:1:1:1516:1484:{came.ms}:16"}
    assert client.xrange(keys.log(CRUCIBLE)) == [
        ("1-1", {"w": "2", "l": "1", "u": str(JUDGE), "t": str(came.ms), "we": "1516", "le": "1484"})
    ]
    assert client.zrange(keys.standings(CRUCIBLE), 0, -1) == [arena.standing(one) for one in (2, 4, 3, 1)]
    arena.check()


REFUSALS: dict[VoteRefusal, Callable[[Arena], object]] = {
    VoteRefusal.ABSENT: lambda arena: arena.client.delete(keys.state(CRUCIBLE)),
    VoteRefusal.UNVERIFIED: lambda arena: arena.set(fence="another process"),
    VoteRefusal.NOT_ACTIVE: lambda arena: arena.set(status="Pending"),
    VoteRefusal.FROZEN: lambda arena: freeze(arena.client, CRUCIBLE, FENCE),
    VoteRefusal.NOT_STARTED: lambda arena: arena.set(start=now_ms(arena.client) + 60_000),
    VoteRefusal.ENDED: lambda arena: arena.set(end=now_ms(arena.client) - 1),
    VoteRefusal.UNKNOWN_ENTRY: lambda arena: apply(arena.client, [(9, EntryGone(CRUCIBLE, 2))]),
    VoteRefusal.NOT_ADMITTED: lambda arena: arena.client.hdel(keys.admitted(CRUCIBLE), "1"),
    VoteRefusal.OWN_ENTRY: lambda arena: apply(arena.client, [(9, EntryState(CRUCIBLE, 2, JUDGE, 11, CREATED_MS - 2))]),
    VoteRefusal.BACKLOG: lambda arena: [arena.client.xadd(keys.log(CRUCIBLE), {"w": 1}, f"0-{n}") for n in (1, 2, 3)],
}


@pytest.mark.parametrize("winner", [1, 2])
@pytest.mark.parametrize("code", REFUSALS)
def test_each_reason_to_refuse_has_its_code_and_writes_nothing(arena: Arena, code: VoteRefusal, winner: int) -> None:
    """Whichever of the two entries it is about; once the reason is gone the vote counts."""
    REFUSALS[code](arena)
    before = contents(arena.client)

    assert arena.vote(JUDGE, winner, 3 - winner, max_log=3) is code
    assert contents(arena.client) == before


def test_an_entry_against_itself_is_refused(arena: Arena) -> None:
    """It would lose the points that it cannot win."""
    before = contents(arena.client)

    assert arena.vote(JUDGE, 1, 1) is VoteRefusal.SAME_ENTRY
    assert contents(arena.client) == before


def test_a_pair_is_judged_once(arena: Arena) -> None:
    """The other way round is refused, for this judge; others judge it as they like."""
    arena.vote(JUDGE, 1, 2)
    before = contents(arena.client)

    assert arena.vote(JUDGE, 2, 1) is VoteRefusal.JUDGED_OTHERWISE
    assert contents(arena.client) == before
    assert isinstance(arena.vote(JUDGE + 1, 2, 1), VoteOutcome)
    assert isinstance(arena.vote(JUDGE, 1, 3), VoteOutcome)
    arena.check()


def test_an_entry_never_heard_of_is_unknown(arena: Arena) -> None:
    """As is one that left; the script tells neither from the other."""
    assert arena.vote(JUDGE, 1, 99) is VoteRefusal.UNKNOWN_ENTRY
    assert arena.vote(JUDGE, 99, 1) is VoteRefusal.UNKNOWN_ENTRY


def test_a_crucible_under_rebuild_takes_no_votes(arena: Arena) -> None:
    """Its numbers are about to be replaced; the fence may still be the right one."""
    arena.set(rebuilding="token")

    assert arena.vote(JUDGE, 1, 2) is VoteRefusal.UNVERIFIED


@pytest.mark.parametrize("code", [VoteRefusal.RATE_LIMITED, VoteRefusal.PAIR_TOKEN_EXPIRED])
def test_who_is_refused_beforehand_is_told_why_and_gets_no_vote(arena: Arena, code: VoteRefusal) -> None:
    """The script is asked all the same, for the case that it is a repeat."""
    before = contents(arena.client)

    assert arena.vote(JUDGE, 1, 2, refuse=code) is code
    assert contents(arena.client) == before


def test_of_several_reasons_the_first_is_told(client: redis.Redis) -> None:
    """Everything is wrong at once; put right in order, each step shows the next reason."""
    arena = Arena(client, entries=(1, 2))
    arena.vote(JUDGE, 1, 2)
    judged = client.hgetall(keys.judged(CRUCIBLE, JUDGE))
    present = client.hgetall(keys.state(CRUCIBLE))
    hour = 3_600_000
    wrong = {"fence": "other", "status": "Completed", "start": now_ms(client) + hour, "end": now_ms(client) - hour}
    wrong["frozen"] = "1:1"
    client.delete(keys.state(CRUCIBLE))
    client.hdel(keys.admitted(CRUCIBLE), "1")
    row = client.hget(keys.entries(CRUCIBLE), "2")
    client.hdel(keys.entries(CRUCIBLE), "2")
    apply(client, [(9, EntryState(CRUCIBLE, 1, JUDGE, 10, CREATED_MS - 1))])
    loser = 2
    seen = []

    def ask(winner: int = 2) -> None:
        seen.append(arena.vote(JUDGE, winner, loser, refuse=beforehand, max_log=1))

    beforehand: VoteRefusal | None = VoteRefusal.RATE_LIMITED
    ask()  # an entry against itself, in a crucible that is not there
    loser = 1
    ask()
    client.hset(keys.state(CRUCIBLE), mapping={**present, **wrong})  # type: ignore[dict-item]
    ask()
    arena.set(fence=present["fence"])  # type: ignore[index,call-overload]
    ask()
    client.delete(keys.judged(CRUCIBLE, JUDGE))
    ask()
    beforehand = None
    ask()
    arena.set(status="Active")
    ask()
    client.hdel(keys.state(CRUCIBLE), keys.FROZEN)
    ask()
    arena.set(start="")
    ask()
    arena.set(end="")
    ask()
    client.hset(keys.entries(CRUCIBLE), "2", str(row))
    apply(
        client,
        [(9, state(CRUCIBLE, start_at=None, end_at=None)), (9, EntryState(CRUCIBLE, 1, JUDGE, 10, CREATED_MS - 1))],
    )
    ask()
    client.hset(keys.admitted(CRUCIBLE), "1", "1")
    ask()
    apply(client, [(10, EntryState(CRUCIBLE, 1, OWNERS_FROM + 1, 10, CREATED_MS - 1))])
    ask()
    client.xtrim(keys.log(CRUCIBLE), maxlen=0, approximate=False)
    ask()

    assert judged
    assert seen[:-1] == [
        VoteRefusal.SAME_ENTRY,
        VoteRefusal.ABSENT,
        VoteRefusal.UNVERIFIED,
        VoteRefusal.JUDGED_OTHERWISE,
        VoteRefusal.RATE_LIMITED,
        VoteRefusal.NOT_ACTIVE,
        VoteRefusal.FROZEN,
        VoteRefusal.NOT_STARTED,
        VoteRefusal.ENDED,
        VoteRefusal.UNKNOWN_ENTRY,
        VoteRefusal.NOT_ADMITTED,
        VoteRefusal.OWN_ENTRY,
        VoteRefusal.BACKLOG,
    ]
    assert isinstance(seen[-1], VoteOutcome)


def test_a_repeat_gets_what_the_vote_got(arena: Arena, client: redis.Redis) -> None:
    """Also after other votes have moved both ratings, and nothing is written."""
    first = arena.vote(JUDGE, 1, 2)
    assert isinstance(first, VoteOutcome)
    arena.vote(JUDGE + 1, 2, 1)
    before = contents(client)

    assert arena.vote(JUDGE, 1, 2) == msgspec.structs.replace(first, repeated=True)
    assert contents(client) == before


@pytest.mark.parametrize(
    "later",
    [
        lambda arena: arena.set(end=now_ms(arena.client) - 1),
        lambda arena: apply(arena.client, [(9, state(CRUCIBLE, "Completed"))]),
        lambda arena: apply(arena.client, [(9, EntryGone(CRUCIBLE, 1))]),
        lambda arena: arena.client.delete(keys.admitted(CRUCIBLE)),
        lambda arena: freeze(arena.client, CRUCIBLE, FENCE),
        lambda arena: arena,
    ],
    ids=["ended", "completed", "entry gone", "withdrawn", "frozen", "backlog"],
)
@pytest.mark.parametrize("refuse", [None, VoteRefusal.RATE_LIMITED, VoteRefusal.PAIR_TOKEN_EXPIRED])
def test_a_repeat_is_answered_whatever_has_happened(
    arena: Arena, later: Callable[[Arena], object], refuse: VoteRefusal | None
) -> None:
    """A client that lost the answer just asks again; both ways round stay told apart."""
    first = arena.vote(JUDGE, 1, 2)
    assert isinstance(first, VoteOutcome)
    later(arena)

    assert arena.vote(JUDGE, 1, 2, refuse=refuse, max_log=1) == msgspec.structs.replace(first, repeated=True)
    assert arena.vote(JUDGE, 2, 1, refuse=refuse, max_log=1) is VoteRefusal.JUDGED_OTHERWISE
    assert not isinstance(arena.vote(JUDGE, 3, 4, refuse=refuse, max_log=1), VoteOutcome)


def test_a_repeat_waits_for_the_fence(arena: Arena) -> None:
    """A Redis that was set back may hold an outcome that never was, so it is not asked before it is verified."""
    arena.vote(JUDGE, 1, 2)
    arena.set(fence="another process")

    assert arena.vote(JUDGE, 1, 2) is VoteRefusal.UNVERIFIED


def test_the_end_itself_is_in_time(client: redis.Redis) -> None:
    """By Redis' clock, to the millisecond, with one that stands still."""
    text = VOTE.text.replace("call('TIME')", "{ '1760000000', '500999' }")
    assert text != VOTE.text
    arena = Arena(client, script=Script.of(text))
    at = 1_760_000_000_500

    arena.set(start=at + 1)
    assert arena.vote(JUDGE, 1, 2) is VoteRefusal.NOT_STARTED
    arena.set(start=at, end=at - 1)
    assert arena.vote(JUDGE, 1, 2) is VoteRefusal.ENDED
    arena.set(end=at)
    came = arena.vote(JUDGE, 1, 2)
    assert isinstance(came, VoteOutcome)
    assert came.ms == at


def test_every_gap_moves_the_points_of_the_rule(arena: Arena, client: redis.Redis) -> None:
    """The script's table is the model's: each gap from 800 behind to 800 ahead."""
    leads = range(-800, 801)
    pipeline = client.pipeline(transaction=False)
    for judge, lead in enumerate(leads, 1):
        pipeline.hset(keys.elo(CRUCIBLE), mapping={"1": 1500 + lead, "2": 1500})
        pipeline.execute_command(*arena.command(judge, 1, 2))
    answers = pipeline.execute()[1::2]

    assert [answer[1:4] for (answer,) in answers] == [
        [1500 + lead + gain(lead, 0), 1500 - gain(lead, 0), gain(lead, 0)] for lead in leads
    ]


def test_votes_of_one_call_count_one_after_the_other(arena: Arena) -> None:
    """As if each had come by itself: repeats and contradictions among them, refusals, and one of too many."""
    own = OWNERS_FROM + 3
    ballots = [
        Ballot(Vote(CRUCIBLE, user, winner, loser), refuse)
        for user, winner, loser, refuse in (
            (JUDGE, 1, 2, None), (6, 2, 1, None), (JUDGE, 1, 2, None), (JUDGE, 2, 1, None), (7, 1, 1, None),
            (own, 3, 4, None), (7, 1, 99, None), (6, 2, 1, VoteRefusal.RATE_LIMITED),
            (8, 1, 2, VoteRefusal.RATE_LIMITED), (7, 2, 1, None), (8, 3, 4, None),
        )
    ]  # fmt: skip
    alone = Arena(arena.client, crucible_id=CRUCIBLE + 1)
    single = [alone.vote(one.vote.user_id, one.vote.winner, one.vote.loser, refuse=one.refuse) for one in ballots[:-1]]

    together = arena.votes(*ballots, max_log=3)

    def timeless(came: object) -> object:
        return msgspec.structs.replace(came, ms=0) if isinstance(came, VoteOutcome) else came

    assert [timeless(one) for one in together[:-1]] == [timeless(one) for one in single]
    assert together[-1] is VoteRefusal.BACKLOG
    assert len(arena.log()) == 3
    arena.check()


def test_a_judge_of_one_call_goes_from_pair_to_pair(arena: Arena) -> None:
    """What is open is what the vote before left: the pair that follows, and then nothing."""
    key = keys.open_pairs(CRUCIBLE, JUDGE)
    arena.client.hset(key, "open", "4:1|1:2:31:1900000000|3:4:31:1900000000")
    first, second = Vote(CRUCIBLE, JUDGE, 1, 2), Vote(CRUCIBLE, JUDGE, 4, 3)

    early, one, again, two, stale = arena.votes(
        *(Ballot(vote, served=True) for vote in (second, first, first, second, Vote(CRUCIBLE, JUDGE, 1, 3)))
    )

    assert (early, stale) == (VoteRefusal.PAIR_TOKEN_EARLY, VoteRefusal.PAIR_TOKEN_STALE)
    assert [(came.seq, came.repeated, came.opened) for came in (one, again, two)] == [
        (1, False, True), (1, True, True), (2, False, True),
    ]  # fmt: skip
    assert arena.client.hget(key, "open") == "6:1"
    arena.check()


@pytest.mark.parametrize("lead", range(-760, 761, 19))
def test_an_outcome_that_was_noted_without_its_gain_gets_one_that_fits(arena: Arena, lead: int) -> None:
    """A rebuild knows the ratings after a vote; the gain is found from them."""
    points = gain(lead, 0)
    winner, loser = 1500 + lead + points, 1500 - points
    arena.client.hset(keys.judged(CRUCIBLE, JUDGE), "1:2", f"1:2:7:{winner}:{loser}:1760000000000")

    came = arena.vote(JUDGE, 1, 2)
    assert isinstance(came, VoteOutcome)
    assert (came.winner_elo, came.loser_elo, came.epoch, came.seq, came.ms) == (winner, loser, 2, 7, 1_760_000_000_000)
    assert gain(winner - loser - 2 * came.winner_delta, 0) == came.winner_delta


def test_the_largest_and_lowest_numbers_arrive_whole(client: redis.Redis) -> None:
    """Ids to 2^31 - 1, ratings below zero, numbers of votes beyond 2^32; pairs are ordered as numbers."""
    most = 2**31 - 1
    arena = Arena(client, entries=(9, most))
    client.hset(keys.elo(CRUCIBLE), mapping={str(most): -20, "9": -30})
    arena.set(epoch=7, seq=2**33)

    came = arena.vote(most - 1, most, 9)
    assert isinstance(came, VoteOutcome)
    assert came == VoteOutcome(-4, -46, 16, 7, 2**33 + 1, came.ms, repeated=False)
    assert client.hgetall(keys.judged(CRUCIBLE, most - 1)).keys() == {f"9:{most}"}  # type: ignore[union-attr]
    assert client.hmget(keys.elo(CRUCIBLE), str(most), "9") == ["-4", "-46"]
    assert arena.vote(most - 1, most, 9) == msgspec.structs.replace(came, repeated=True)


def test_a_number_is_never_used_twice(arena: Arena) -> None:
    """Set back behind its own log, the crucible goes on where the log ends."""
    arena.vote(JUDGE, 1, 2)
    arena.set(seq=0)

    came = arena.vote(JUDGE, 3, 4)

    assert isinstance(came, VoteOutcome)
    assert came.seq == 2
    arena.check()


def test_a_full_redis_takes_a_whole_vote_or_none(arena: Arena, client: redis.Redis) -> None:
    """The first write is refused for want of memory; none is left half done."""
    before = contents(client)
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.ResponseError, match="OOM"):
            arena.vote(JUDGE, 1, 2)
    finally:
        client.config_set("maxmemory", "0")

    assert contents(client) == before


ENTRIES = (1, 2, 3, 4, 5)
USERS = (11, 12, OWNERS_FROM + 1, OWNERS_FROM + 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(USERS), st.sampled_from((*ENTRIES, 99)), st.sampled_from(ENTRIES)),
        st.sampled_from(["close", "open"]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_sequence_of_votes_is_answered_as_by_the_plain_rules(
    client: redis.Redis, steps: list[tuple[int, int, int] | str]
) -> None:
    """The rules once more in Python, without Redis: each answer is theirs, and so is what is left."""
    client.flushall()
    arena = Arena(client, entries=ENTRIES)
    ratings, seen, active = dict.fromkeys(ENTRIES, 1500), {}, True

    for step in steps:
        if isinstance(step, str):
            active = step == "open"
            arena.set(status="Active" if active else "Pending")
            continue
        user, winner, loser = step
        pair = (user, pair_field(winner, loser))
        wanted: VoteRefusal | tuple[int, int, int, bool]
        if winner == loser:
            wanted = VoteRefusal.SAME_ENTRY
        elif pair in seen:
            first, told = seen[pair]
            wanted = (*told, True) if first == winner else VoteRefusal.JUDGED_OTHERWISE
        elif not active:
            wanted = VoteRefusal.NOT_ACTIVE
        elif winner == 99:
            wanted = VoteRefusal.UNKNOWN_ENTRY
        elif user - OWNERS_FROM in {winner, loser}:
            wanted = VoteRefusal.OWN_ENTRY
        else:
            points = gain(ratings[winner], ratings[loser])
            ratings[winner], ratings[loser] = ratings[winner] + points, ratings[loser] - points
            seen[pair] = winner, (ratings[winner], ratings[loser], len(seen) + 1)
            wanted = (*seen[pair][1], False)
        came = arena.vote(user, winner, loser)
        if isinstance(came, VoteOutcome):
            assert (came.winner_elo, came.loser_elo, came.seq, came.repeated) == wanted
        else:
            assert came is wanted
    arena.check()
    assert arena.held()["ratings"] == ratings
