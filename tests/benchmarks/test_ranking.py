"""The ranking benchmark plays by the rules that it measures, and its figures are what they are called."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.contest import Contest, World
from benchmarks.pairing_ways import chance_of
from benchmarks.ranking import SIGMA_POINTS, WAYS, kendall, run
from watcher.model.rating import BASE_RATING


@given(st.permutations(range(9)))
def test_kendalls_tau_counts_pairs(order: list[int]) -> None:
    """Those in order less those that are not, as a part of all: the definition, slowly."""
    in_order = sum(1 if one < other else -1 for one, other in combinations(order, 2))

    assert kendall(order) == pytest.approx(in_order / 36)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_pair_keeps_the_rules(way: str) -> None:
    """No own entry and no pair twice (``play`` refuses both); late-comers wait; no point is made or lost."""
    contest = Contest(World.of(30, SIGMA_POINTS, 1), 300, chance_of(1))
    entered: list[tuple[int, int]] = []

    def watched(seen: Contest, judge: int) -> tuple[int, int] | None:
        pair = WAYS[way](seen, judge)
        if pair and seen.cast < 150:
            entered.append(pair)
        return pair

    contest.play(watched)

    assert max(map(max, entered)) == 20  # 21 of 30 are there from the start
    assert sum(contest.votes) == 600
    assert sum(contest.ratings) == 30 * BASE_RATING


def test_a_way_to_pair_that_breaks_the_rules_is_found_out() -> None:
    """The control: always the same two entries."""
    contest = Contest(World.of(30, SIGMA_POINTS, 1), 300, chance_of(1))

    with pytest.raises(RuntimeError, match="own entry, or judged before"):
        contest.play(lambda _contest, _judge: (0, 1))


def test_the_same_seed_gives_the_same_crucible() -> None:
    """So a figure can be had again; another seed is another crucible."""
    assert run("shipped", 40, 3) == run("shipped", 40, 3) != run("shipped", 40, 4)


def test_what_ships_ranks_better_than_chance() -> None:
    """Over some crucibles of 100 entries, by more than chance explains."""
    seeds = range(40)
    shipped, uniform = (sum(run(way, 100, seed).tau for seed in seeds) / len(seeds) for way in ("shipped", "uniform"))

    assert shipped > uniform + 0.02  # .037 expected, standard error of the difference .006
