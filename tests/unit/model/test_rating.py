"""The rating rule: the table is the formula, whole points, and nothing is made or lost."""

from decimal import Decimal, localcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.replay import VoteOrderError, replay
from watcher.model.rating import BASE_RATING, FAVOURITES, GAINS, ZERO, K, formula, gain
from watcher.model.vote import LoggedVote

RATING = st.integers(-3_000, 6_000)


def exact(lead: int) -> int:
    """The rule in 50 digits, rounded half up."""
    with localcontext(prec=50):
        expected = 1 / (1 + Decimal(10) ** (Decimal(-lead) / 400))
        return int((K * (1 - expected) + Decimal("0.5")).to_integral_value("ROUND_FLOOR"))


@pytest.mark.parametrize("lead", range(-1_500, 1_501, 50), ids=lambda first: f"from {first}")
def test_every_gap_gains_what_the_rule_says(lead: int) -> None:
    """The table, the formula in doubles and the formula in 50 digits agree, far beyond the table's end."""
    for one in range(lead, lead + 50):
        assert gain(1500 + one, 1500) == formula(one) == exact(one)


def test_no_gap_is_near_enough_to_a_half_to_be_rounded_by_chance() -> None:
    """So it does not matter which way halves go, or in how many digits one calculates."""
    with localcontext(prec=50):
        nearest = min(
            abs((K * (1 - 1 / (1 + Decimal(10) ** (Decimal(-lead) / 400)))) % 1 - Decimal("0.5"))
            for lead in range(-1_500, 1_501)
        )

    assert nearest > Decimal("1e-4")


@pytest.mark.parametrize(
    ("lead", "ahead", "behind"),
    [
        (0, 16, 16), (50, 14, 18), (100, 12, 20), (150, 9, 23), (200, 8, 24), (300, 5, 27), (400, 3, 29), (600, 1, 31),
        (719, 1, 31), (720, 0, 32), (800, 0, 32), (5_000, 0, 32),
    ],
)  # fmt: skip
def test_golden_values(lead: int, ahead: int, behind: int) -> None:
    """What a winner gains who was so far ahead, and so far behind."""
    assert (gain(1500 + lead, 1500), gain(1500, 1500 + lead)) == (ahead, behind)


@pytest.mark.parametrize(
    ("winner", "loser", "told", "right"),
    [(1500, 1500, 16, 16), (1600, 1400, 5, 8), (1400, 1600, 27, 24)],
)
def test_the_examples_that_came_with_the_rule(winner: int, loser: int, told: int, right: int) -> None:
    """One is right; the other two are those of a gap of 300 points."""
    assert gain(winner, loser) == right
    assert told in {gain(1500, 1500), gain(1650, 1350), gain(1350, 1650)}


@given(one=RATING, other=RATING)
def test_whoever_wins_the_stake_is_the_same(one: int, other: int) -> None:
    """The favourite's gain and the outsider's are K together, and neither is negative."""
    assert gain(one, other) + gain(other, one) == K
    assert 0 <= gain(one, other) <= K


@given(loser=RATING, lead=st.integers(-2_000, 2_000))
def test_a_larger_lead_never_gains_more(loser: int, lead: int) -> None:
    """Nor does it matter where on the scale the two stand."""
    assert gain(loser + lead + 1, loser) <= gain(loser + lead, loser) == gain(lead, 0)


def test_the_table_has_the_720_gaps_that_move_points() -> None:
    """A letter each, for the script."""
    assert len(FAVOURITES) == len(GAINS) == 720
    assert [ord(letter) - ZERO for letter in GAINS] == list(FAVOURITES)
    assert GAINS.isascii()
    assert GAINS.isalpha()


def cast(pairs: list[tuple[int, int]]) -> list[LoggedVote]:
    """Votes in a row, each with the ratings that it must have led to."""
    log, ratings = [], dict.fromkeys({one for pair in pairs for one in pair}, BASE_RATING)
    for number, (winner, loser) in enumerate(pairs, 1):
        points = formula(ratings[winner] - ratings[loser])
        ratings[winner], ratings[loser] = ratings[winner] + points, ratings[loser] - points
        log.append(LoggedVote(1, number, winner, loser, number, 0, ratings[winner], ratings[loser]))
    return log


@pytest.mark.parametrize(
    ("pairs", "ratings"),
    [
        ([(1, 2)], {1: 1516, 2: 1484}),
        ([(1, 2)] * 2, {1: 1531, 2: 1469}),
        ([(1, 2)] * 10, {1: 1610, 2: 1390}),
        ([(1, 2), (3, 4)], {1: 1516, 2: 1484, 3: 1516, 4: 1484}),
        ([(1, 2), (2, 3), (3, 1), (1, 3)], {1: 1514, 2: 1501, 3: 1485}),
    ],
)
def test_sequences_with_known_results(pairs: list[tuple[int, int]], ratings: dict[int, int]) -> None:
    """Those of the site's own tests, for K = 32."""
    done = replay(cast(pairs))

    assert done.ratings == ratings
    assert done.differing == []


def test_the_same_winner_gains_less_each_time() -> None:
    """16, 15, 13, 12, 11, 10, 9, 9, 8 and 7 points for ten votes of the same pair."""
    log = cast([(1, 2)] * 10)
    after = [BASE_RATING, *(vote.winner_elo for vote in log)]

    assert [later - earlier for earlier, later in pairwise(after)] == [
        16, 15, 13, 12, 11, 10, 9, 9, 8, 7,
    ]  # fmt: skip


PAIRS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)).filter(lambda pair: pair[0] != pair[1]), max_size=60)


@given(pairs=PAIRS)
def test_a_replay_makes_and_loses_no_points(pairs: list[tuple[int, int]]) -> None:
    """The sum is 1500 an entry, each vote counts for two entries, and each judge once."""
    done = replay(cast(pairs))

    assert sum(done.ratings.values()) == BASE_RATING * len(done.ratings)
    assert sum(done.votes.values()) == 2 * len(pairs)
    assert len(done.judges) == len(pairs)
    assert done.last == ((1, len(pairs)) if pairs else (0, 0))


@given(pairs=PAIRS, cut=st.integers(0, 60))
def test_a_replay_may_be_cut_anywhere(pairs: list[tuple[int, int]], cut: int) -> None:
    """From the ratings of the first part the second leads to those of the whole."""
    log = cast(pairs)

    assert replay(log[cut:], replay(log[:cut]).ratings).ratings == replay(log).ratings


def test_a_vote_that_recorded_something_else_is_named() -> None:
    """One point more or less is found, and the replay goes by the rule."""
    log = cast([(1, 2), (1, 2)])
    wrong = log[1]._replace(winner_elo=log[1].winner_elo + 1)

    assert replay([log[0], wrong]).differing == [wrong]
    assert replay([log[0], wrong]).ratings == replay(log).ratings


@pytest.mark.parametrize("places", [[(1, 1), (1, 1)], [(1, 2), (1, 1)], [(2, 1), (1, 9)]])
def test_votes_out_of_order_are_refused(places: list[tuple[int, int]]) -> None:
    """Ratings depend on the order; a repeated or swapped vote must not pass for another."""
    log = [LoggedVote(*place, 1, 2, 5, 0, 0, 0) for place in places]

    with pytest.raises(VoteOrderError, match="ascending"):
        replay(log)


def test_a_later_epoch_comes_after_any_number_of_an_earlier_one() -> None:
    """Numbers begin anew in a new epoch."""
    log = cast([(1, 2)] * 3)
    moved = [*log[:2], log[2]._replace(epoch=2, seq=1)]

    assert replay(moved).ratings == replay(log).ratings
    assert replay(moved).last == (2, 1)
