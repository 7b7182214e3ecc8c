"""What a drain decides by what it remembers of a bucket."""

import pytest

from watcher.model.drain_plan import DrainPlan, Range, make_plan
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.vote import LoggedVote
from watcher.votes.bucket_state import (
    MAX_DISAGREEMENTS,
    TAKEOVER_SECONDS,
    WATCHED_PASSES,
    BucketState,
    left_behind,
    oldest,
)

PLAN, OTHER = DrainPlan((Range(42, 1, 5, 9),)), DrainPlan((Range(50, 1, 1, 3),))
REDIS = {42: "redis-a", 50: "redis-a"}


def _log(*times: int) -> list[LoggedVote]:
    return [LoggedVote(1, seq, 7, 8, 3, ms, 1516, 1484) for seq, ms in enumerate(times, 1)]


def _left(heads: dict[int, list[LoggedVote]], most: int, *, whole: bool = True) -> int | None:
    plan = make_plan(heads, most)
    assert plan is not None
    return left_behind(plan, heads, whole=whole, most=most)


def test_a_plan_of_everything_leaves_nothing() -> None:
    """Every log was read to its end."""
    assert _left({42: _log(10, 20), 50: []}, 100) is None


def test_the_first_vote_that_a_plan_does_not_reach_is_the_oldest() -> None:
    """A log whose turn did not come waits with all it has."""
    assert _left({42: _log(10, 20), 50: _log(15, 30)}, 3) == 20
    assert _left({42: _log(10, 20), 50: _log(15)}, 2) == 15


def test_votes_that_nobody_read_are_no_older_than_the_last_one_read() -> None:
    """A backlog is longer than a plan, so its age is not zero after each plan."""
    assert _left({42: _log(10, 20)}, 2) == 20


def test_logs_that_nobody_looked_at_may_be_as_old() -> None:
    """Until their turn comes, the oldest vote seen stands for them."""
    assert _left({42: _log(10, 20)}, 2, whole=False) == 10


def test_the_oldest_vote_is_the_first_of_some_log() -> None:
    """Not of the first log; and of empty logs there is none."""
    assert oldest({42: _log(20, 30), 50: [], 58: _log(10)}) == 10
    assert oldest({50: []}) is None


def test_our_own_plan_is_carried_out_at_once() -> None:
    """Also one that a pass has left open because a neighbour was away."""
    state = BucketState(2)
    state.name(PLAN, None, REDIS)

    assert state.may_carry_out(PLAN, 0.0)


@pytest.mark.parametrize(("after", "may"), [(TAKEOVER_SECONDS - 0.01, False), (TAKEOVER_SECONDS, True)])
def test_somebody_else_s_plan_is_carried_out_when_it_is_overdue(after: float, may: bool) -> None:
    """Whoever named it has so much time since we first saw it."""
    state = BucketState(2)
    assert not state.may_carry_out(PLAN, 100.0)

    assert state.may_carry_out(PLAN, 100.0 + after) is may


def test_the_time_of_another_plan_begins_anew() -> None:
    """Somebody is at work: it is not the one that we saw before. Nor is one that comes back after we were at it."""
    state = BucketState(2)
    state.may_carry_out(PLAN, 100.0)

    assert not state.may_carry_out(OTHER, 100.0 + TAKEOVER_SECONDS)
    state.take()
    assert not state.may_carry_out(OTHER, 101.0 + TAKEOVER_SECONDS)


def test_the_crucible_behind_the_last_plan_has_the_next_turn() -> None:
    """One with many votes does not keep the others waiting."""
    state = BucketState(2)
    assert state.begin_with([50, 34, 42]) == [34, 42, 50]
    state.name(PLAN, None, REDIS)

    assert state.begin_with([50, 34, 42]) == [50, 34, 42]


def _done(outcome: PlanOutcome = PlanOutcome.WRITTEN) -> BucketState:
    """The plan is done."""
    state = BucketState(2)
    state.name(PLAN, None, REDIS)
    state.close(PLAN, outcome)
    return state


@pytest.mark.parametrize(
    ("part", "redis", "continues"),
    [
        (Range(42, 1, 10, 12), "redis-a", True),
        (Range(42, 1, 11, 12), "redis-a", False),
        (Range(42, 1, 9, 12), "redis-a", False),
        (Range(42, 2, 10, 12), "redis-a", False),
        (Range(50, 1, 10, 12), "redis-a", False),
        (Range(42, 1, 10, 12), "redis-b", False),
    ],
    ids=["the very next", "a gap", "votes again", "another epoch", "another log", "another Redis"],
)
def test_nobody_can_have_written_what_follows_our_own_votes(part: Range, redis: str, continues: bool) -> None:
    """Only where it follows without a gap, in the Redis that held the votes before it."""
    state, next_plan = _done(), DrainPlan((part,))
    state.name(next_plan, None, {part.crucible_id: redis})

    assert state.continues(next_plan) is continues


@pytest.mark.parametrize("outcome", [PlanOutcome.RECOVERED, PlanOutcome.HEALED, PlanOutcome.REPEATED])
def test_what_follows_a_plan_that_others_had_a_hand_in_is_asked_for(outcome: PlanOutcome) -> None:
    """They may have gone on behind it."""
    state, next_plan = _done(outcome), DrainPlan((Range(42, 1, 10, 12),))
    state.name(next_plan, None, REDIS)

    assert not state.continues(next_plan)


def test_one_log_that_does_not_follow_makes_the_plan_one_to_ask_for() -> None:
    """A plan is inserted as a whole."""
    state, next_plan = _done(), DrainPlan((Range(42, 1, 10, 12), Range(50, 1, 1, 1)))
    state.name(next_plan, None, REDIS)

    assert not state.continues(next_plan)


def test_what_a_plan_leaves_behind_has_waited_on() -> None:
    """Once; the next pass sees for itself."""
    state = BucketState(2, oldest_ms=5)
    state.name(PLAN, 7, REDIS)
    state.close(PLAN, PlanOutcome.WRITTEN)
    assert state.oldest_ms == 7
    state.close(PLAN, PlanOutcome.WRITTEN)

    assert state.oldest_ms is None


def test_a_view_that_differs_is_a_fault_when_it_stays() -> None:
    """For the same plan; another plan begins to be counted anew."""
    state = BucketState(2)
    first = [state.disagrees(PLAN) for _ in range(MAX_DISAGREEMENTS - 1)]
    other = state.disagrees(OTHER)
    again = [state.disagrees(PLAN) for _ in range(MAX_DISAGREEMENTS)]

    assert (first, other) == ([False] * (MAX_DISAGREEMENTS - 1), False)
    assert again == [False] * (MAX_DISAGREEMENTS - 1) + [True]


def test_an_emptied_log_is_watched_for_a_while() -> None:
    """And no longer, so that a bucket comes to rest."""
    state = BucketState(2)
    passes = 0
    emptied = [42]
    while watched := state.watch(emptied):
        state.looked_at(dict.fromkeys(watched, 0))
        passes, emptied = passes + 1, []

    assert passes == WATCHED_PASSES
    assert not state.watches


def test_a_watched_log_that_got_votes_is_left_to_its_hint() -> None:
    """The others are watched on."""
    state = BucketState(2)
    assert sorted(state.watch([42, 50])) == [42, 50]
    assert state.watches
    state.looked_at({42: 3, 50: 0})

    assert state.watch([]) == [50]
