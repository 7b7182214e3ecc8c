"""Which pair comes next."""

import random
from collections import Counter
from collections.abc import Sequence
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.pairing import POLICY, Meetings, Pair, PairCandidate, are_settled, elapsed, finalists, leaders, pairs

candidates = st.builds(
    PairCandidate,
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(0, 50),
    st.integers(1_000, 2_000),
    st.integers(1, 31),
)
draws = st.lists(candidates, max_size=12, unique_by=lambda one: one.entry_id)


def entry(number: int, votes: int = 0, rating: int = 1_500) -> PairCandidate:
    return PairCandidate(number, 1_000 + number, votes, rating, 1)


def first(drawn: list[PairCandidate], part: float, seed: int, **more: object) -> Pair:
    return next(pairs(drawn, [], len(drawn), part, random.Random(seed).random, **more))  # type: ignore[arg-type]


@given(draws, draws, st.floats(0, 1), st.integers(0, 9), st.sets(st.integers(1, 200), max_size=20))
def test_every_pair_of_a_draw_comes_in_the_end(
    drawn: list[PairCandidate], top: list[PairCandidate], part: float, seed: int, avoid: set[int]
) -> None:
    """So whoever has judged some gets others until there are none; the rest comes once each, of two images always."""
    chance = random.Random(seed).random
    everything = list(pairs(drawn, top, 100, part, chance, avoid=avoid))
    rest = list(pairs(drawn, [], 100, part, chance, avoid=avoid))

    possible = {
        frozenset((one.entry_id, other.entry_id))
        for one in drawn
        for other in drawn
        if one.entry_id != other.entry_id and one.image_id != other.image_id
    }
    assert {frozenset(one.entry_id for one in pair) for pair in rest} == possible
    assert len(rest) == len(possible)
    assert len(everything) - len(rest) <= POLICY.finals_tries
    assert all(one.image_id != other.image_id and one.entry_id != other.entry_id for one, other in everything)


@pytest.mark.parametrize("part", [0.0, 0.69, 0.7, 1.0])
def test_the_entry_with_the_fewest_votes_is_always_in_the_first_pair(part: float) -> None:
    """That keeps votes level; which of several with as few is left to chance."""
    drawn = [entry(number, votes=5 + number) for number in range(4, 32)] + [entry(1, 3), entry(2, 3), entry(3, 3)]
    firsts = Counter(first(drawn, part, seed)[0].entry_id for seed in range(300))

    assert firsts.keys() == {1, 2, 3}
    assert min(firsts.values()) > 60  # 100 expected, standard deviation 8


def test_an_early_opponent_is_the_least_voted_of_few() -> None:
    """Few votes, but not the fewest of all: late-comers must not meet each other only."""
    drawn = [entry(0, votes=0), *(entry(number, votes=number) for number in range(1, 32))]
    seconds = [first(drawn, 0.5, seed)[1].votes for seed in range(500)]

    assert 5.0 < mean(seconds) < 7.8  # the least of 4 of 31 numbers: (31 + 1) / 5 = 6.4
    assert len(set(seconds)) > 10


def test_a_late_opponent_is_the_nearest_of_as_few_votes() -> None:
    """One vote more is as few; a nearer rating with more votes comes after all of those."""
    drawn = [entry(1, 4), entry(2, 5, 1_700), entry(3, 5, 1_450), entry(4, 6, 1_500), entry(5, 9, 1_500)]

    in_order = [other.entry_id for one, other in pairs(drawn, [], 5, 0.8, random.Random(1).random) if one.entry_id == 1]

    assert in_order == [3, 2, 4, 5]


@pytest.mark.parametrize(("part", "expected"), [(0.69, 0.0), (0.7, 0.3), (1.0, 0.3)])
def test_three_in_ten_late_pairs_come_from_the_top(part: float, expected: float) -> None:
    """And none before; it is more of the top when more places are paid."""
    chance = random.Random(1).random
    asked = [finalists(part, 3, chance) for _ in range(4_000)]

    assert abs(mean(map(bool, asked)) - expected) < 0.037  # five standard errors
    assert set(asked) - {0} <= {12}
    assert max(finalists(0.9, 10, chance) for _ in range(50)) == 20


def test_finalists_meet_each_other_and_a_small_crucible_has_few() -> None:
    """A fifth of the entries, four at least: else half of the field would be finalists."""
    top = [entry(number) for number in range(100, 112)]
    drawn = [entry(number) for number in range(1, 33)]
    many = {
        one.entry_id for seed in range(200) for one in next(pairs(drawn, top, 1_000, 0.9, random.Random(seed).random))
    }
    few = {one.entry_id for seed in range(200) for one in next(pairs(drawn, top, 30, 0.9, random.Random(seed).random))}

    assert many == {one.entry_id for one in top}
    assert few == {one.entry_id for one in top[:6]}


def test_finalists_with_many_votes_already_leave_the_turn_to_others() -> None:
    """Four times the median and ten more; otherwise a large crucible's top would get a thousand votes."""
    drawn = [entry(number, votes=5) for number in range(1, 33)]
    top = [entry(number, votes=4 * 5 + 10) for number in range(100, 112)]
    allowed = [entry(number, votes=4 * 5 + 9) for number in range(100, 112)]

    assert first(drawn, 0.9, 1)[0].entry_id < 100
    assert next(pairs(drawn, top, 1_000, 0.9, random.Random(1).random))[0].entry_id < 100
    assert next(pairs(drawn, allowed, 1_000, 0.9, random.Random(1).random))[0].entry_id >= 100


@given(st.integers(0, 1_000), st.sampled_from([0.1, 0.9]))
def test_images_just_seen_come_last(seed: int, part: float) -> None:
    """As long as there are two others; never are they refused."""
    drawn = [entry(number, votes=number) for number in range(1, 9)]
    avoid = {one.image_id for one in drawn if one.entry_id not in {7, 8}}

    assert {one.entry_id for one in first(drawn, part, seed, avoid=avoid)} == {7, 8}
    assert first(drawn[:6], part, seed, avoid=avoid)


@given(st.integers(), st.none() | st.integers(), st.none() | st.integers())
def test_the_elapsed_part_is_a_part(now: int, start: int | None, end: int | None) -> None:
    """Whatever the clock and the row say."""
    assert 0.0 <= elapsed(now, start, end) <= 1.0


def _met(number: int, **met: int) -> list[PairCandidate]:
    """Entries 1 to a number, of which some were met so often: ``e7=2``."""
    return [PairCandidate(one, one, 0, 1500 - one, 1, met.get(f"e{one}", 0)) for one in range(1, number + 1)]


def _served(
    drawn: list[PairCandidate], part: float, meetings: Meetings, top: Sequence[PairCandidate] = ()
) -> list[set[int]]:
    found = pairs(drawn, top, len(drawn), part, random.Random(7).random, meetings=meetings)
    return [{one.entry_id, other.entry_id} for one, other in found]


def test_a_leader_is_met_once_late() -> None:
    """Neither in a final nor among the rest a second time; early it is an entry as all others."""
    drawn, first = _met(40, e2=1), Meetings(pairs=1, leaders=tuple(range(1, 13)), entries=40)

    late = _served(drawn, 0.9, first, drawn[:12])

    assert not any(2 in one for one in late)
    assert {1, 3} in late
    assert any(2 in one for one in _served(drawn, 0.5, Meetings(pairs=1, entries=40)))
    assert (leaders(3), leaders(20)) == (POLICY.finals_least, 40)


def test_leaders_are_settled_late_or_by_many_votes() -> None:
    """Who comes when most votes are cast gains the same, however much of the time is left."""
    assert [are_settled(part, 0, 60) for part in (POLICY.turn - 0.01, POLICY.turn)] == [False, True]
    assert [are_settled(0.0, votes, 60) for votes in (449, 450)] == [False, True]
    assert not are_settled(0.0, 0, 0)


def test_who_sees_few_entries_meets_a_leader_once_too() -> None:
    """Bounds go by the whole crucible: a friend would be met again and again among the images of one level."""
    few, meetings = _met(16, e2=1, e16=3), Meetings(pairs=8, leaders=tuple(range(1, 13)), entries=60)

    served = _served(few, 0.9, meetings)

    assert not any(2 in one for one in served)
    assert all(16 in one for one in served[-14:])  # and what was met often comes last
    assert any(2 in one for one in _served(few, 0.9, Meetings(8, meetings.leaders, POLICY.bounded_from - 1)))


def test_who_was_met_often_comes_last() -> None:
    """Twice more than entries are on average; then those that were met least of them first."""
    drawn = _met(40, e1=2, e2=5)

    often = [bool(one & {1, 2}) for one in _served(drawn, 0.5, Meetings(pairs=10, entries=40))]

    assert often == sorted(often)
    assert sum(often) == 2 * 39 - 1
    assert not all(one & {1, 2} for one in _served(drawn, 0.5, Meetings(pairs=10, entries=40))[:100])
    assert any(one & {1, 2} for one in _served(drawn, 0.5, Meetings(pairs=100, entries=40))[:39])


def test_in_a_small_crucible_everybody_meets_everybody() -> None:
    """There are too few pairs to be choosy."""
    drawn = _met(POLICY.bounded_from - 1, e1=9, e2=9)

    assert len(_served(drawn, 0.9, Meetings(40, (1, 2), len(drawn)))) == len(drawn) * (len(drawn) - 1) // 2
