"""How well the final order is that of the entries' true strengths, for as many votes: simulated crucibles.

``python -m benchmarks.ranking --seed 0`` prints the table alone, for other seeds.
"""

import argparse
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from statistics import fmean, stdev

from rich.console import Console
from rich.table import Table

from benchmarks.contest import Contest, WayOfChoosing, World
from benchmarks.pairing_ways import chance_of, reference, shipped, uniform
from benchmarks.results import Result
from benchmarks.shopping import Ring, rows

SIGMA_POINTS = 200.0
"""Deviation of strengths, in points."""
VOTES = 20
"""Votes per entry."""
RUNS = {1000: 200, 100: 300}
"""Crucibles by number of entries, played with the pairs that ship. At 60 of 1000, chance moved precision@3 by .025."""
COMPARED_RUNS = {1000: 60, 100: 300}
"""As many of them as are played with other pairs too, which differ by far more than that."""
GOALS = {1000: {"tau": 0.695, "p3": 0.62, "p10": 0.62}, 100: {"tau": 0.70, "p3": 0.54, "p10": 0.66}}
LEAST_SHARE = 0.8
"""Of the mean number of votes: what every entry has to get."""
LATE_MARGIN = 0.05
"""By which the share of late-comers among the first ten may differ from what they deserve."""
RINGS = {1: Ring(), 5: Ring(5)}
"""Who shops for a friend, by how many they are."""
SHOPPED = tuple((entries, arrival) for entries in (60, 200) for arrival in (0.9, 0.98))
"""Where they do: entries, and the part of the votes that is cast before they come."""
SHOPPED_RUNS = 40
SHOPPED_FROM = 200_000
"""The first of the crucibles' seeds."""
SHOPPING_GOALS = {"places": 2.0, "paid": 0.05}
"""Of one judge: places gained, and the part of the crucibles in which the friend is paid that would not be."""
WAYS: dict[str, WayOfChoosing] = {"shipped": shipped, "uniform": uniform, "reference": reference}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one crucible came to."""

    tau: float
    """Kendall's, of the final order and the true one; ties as the crucible decides them: the older entry first."""
    p3: float
    """Part of the three strongest that ended among the first three."""
    p10: float
    late: float
    """Late-comers among the first ten less those that belong there, as a part of ten."""
    least: float
    """Votes of the entry with the fewest, as a part of the mean."""


def run(way: str, entries: int, seed: int) -> Outcome:
    """Return what one crucible comes to, from beginning to end."""
    world = World.of(entries, SIGMA_POINTS, seed)
    contest = Contest(world, entries * VOTES // 2, chance_of(seed))
    contest.play(WAYS[way])
    final = sorted(range(entries), key=lambda entry: (-contest.ratings[entry], entry))
    true = sorted(range(entries), key=lambda entry: -world.strengths[entry])
    place = {entry: at for at, entry in enumerate(true)}

    def late(some: Sequence[int]) -> int:
        return sum(entry >= contest.early for entry in some[:10])

    return Outcome(
        tau=kendall([place[entry] for entry in final]),
        p3=len(set(final[:3]) & set(true[:3])) / 3,
        p10=len(set(final[:10]) & set(true[:10])) / 10,
        late=(late(final) - late(true)) / 10,
        least=min(contest.votes) * entries / sum(contest.votes),
    )


def kendall(order: Sequence[int]) -> float:
    """Kendall's tau of an order of 0, 1, 2 ... and the natural one.

    >>> kendall([0, 1, 2, 3]), kendall([3, 2, 1, 0]), kendall([1, 0, 2, 3])
    (1.0, -1.0, 0.6666666666666667)
    """
    size = len(order)
    counts = [0] * (size + 1)  # a Fenwick tree: how many of what came before are at or below a number
    discordant = 0
    for before, number in enumerate(order):
        below, at = 0, number
        while at > 0:
            below += counts[at]
            at -= at & -at
        discordant += before - below
        at = number + 1
        while at <= size:
            counts[at] += 1
            at += at & -at
    return 1.0 - 4.0 * discordant / (size * (size - 1))


@dataclass(frozen=True, slots=True)
class Cell:
    """A way to pair over many crucibles of a size."""

    way: str
    entries: int
    outcomes: list[Outcome]

    def mean(self, what: str) -> float:
        """Return the mean of that figure over all crucibles."""
        return fmean(getattr(one, what) for one in self.outcomes)

    def error(self, what: str) -> float:
        """Return the mean's standard error."""
        return float(stdev(getattr(one, what) for one in self.outcomes)) / math.sqrt(len(self.outcomes))

    def least(self) -> float:
        """Return the fewest votes of any entry of any crucible, as a part of the mean."""
        return float(min(one.least for one in self.outcomes))

    def late_beyond(self) -> float:
        """Return how far even the nearest end of the 95 % interval of ``late`` is from fair."""
        return max(0.0, abs(self.mean("late")) - 1.96 * self.error("late"))


def cells(first_seed: int) -> list[Cell]:
    """Return the results of every way to pair in the same crucibles, on all cores."""
    found = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        pending = [
            (way, entries, processes.map(partial(run, way, entries), range(first_seed, first_seed + runs), chunksize=5))
            for entries in RUNS
            for way in WAYS
            for runs in [RUNS[entries] if WAYS[way] is shipped else COMPARED_RUNS[entries]]
        ]
        for way, entries, outcomes in pending:
            found.append(Cell(way, entries, list(outcomes)))
    return found


def show(found: Sequence[Cell], console: Console) -> None:
    """Print a table of the figures, a line for each way to pair and size of crucible."""
    table = Table(
        "entries", "pairs", "tau", "precision@3", "precision@10", "late among 10", "fewest votes", "crucibles"
    )
    for cell in found:
        numbers = [f"{cell.mean(what):.3f} ± {cell.error(what):.3f}" for what in ("tau", "p3", "p10")]
        late = f"{cell.mean('late'):+.3f} ± {cell.error('late'):.3f}"
        row = (str(cell.entries), cell.way, *numbers, late, f"{cell.least():.2f}", str(len(cell.outcomes)))
        table.add_row(*row)
    table.caption = (
        f"{VOTES} votes per entry, sigma {SIGMA_POINTS:g}; ± one standard error. late: late-comers among the first ten "
        "beyond their due, as a part of ten; fewest: votes of any entry at least, as a part of the mean"
    )
    console.print(table)


def measure(console: Console, first_seed: int = 0) -> list[Result]:
    """Play the crucibles, about eight minutes on two cores."""
    console.print(f"playing {RUNS[1000]} crucibles of 1000 entries and {RUNS[100]} of 100, and some with other pairs")
    found = cells(first_seed)
    show(found, console)
    by_name = {(cell.entries, cell.way): cell for cell in found}
    results = []
    for entries, goals in GOALS.items():
        own, other = by_name[entries, "shipped"], by_name[entries, "uniform"]
        for what, goal in goals.items():
            name = f"rank_{what}_{entries}_{VOTES}"
            results.append(Result(name, round(own.mean(what), 4), "", round(other.mean(what), 4), goal))
        results.append(Result(f"rank_fewest_{entries}_{VOTES}", round(own.least(), 3), "x mean", goal=LEAST_SHARE))
        beyond = round(own.late_beyond(), 4)
        baseline = round(other.late_beyond(), 4)
        results.append(Result(f"rank_late_{entries}_{VOTES}", beyond, "", baseline, LATE_MARGIN, lower_is_better=True))
    return results + _shopping(console, first_seed)


def _shopping(console: Console, first_seed: int) -> list[Result]:
    """Return what one judge and what five gain for a friend, on average over sizes and times of arrival."""
    console.print(f"playing {SHOPPED_RUNS} crucibles of 60 entries and of 200, in which some judges push a friend")
    seeds = range(SHOPPED_FROM + first_seed, SHOPPED_FROM + first_seed + SHOPPED_RUNS)
    found = rows(SHOPPED, list(RINGS.values()), seeds)
    table = Table("entries", "arrival", "judges", "places gained", "paid more often", "votes for the friend")
    for row in found:
        numbers = (f"{row.places:+.2f} ± {row.error:.2f}", f"{row.paid:+.3f}", f"{row.votes:.1f}")
        table.add_row(str(row.entries), f"{row.arrival:.0%}", str(row.ring.judges), *numbers)
    console.print(table)
    results = []
    for judges, ring in RINGS.items():
        own = [row for row in found if row.ring == ring]
        for what, goal in SHOPPING_GOALS.items():
            mean = round(fmean(getattr(row, what) for row in own), 3)
            named = f"rank_shopping_{what}_{judges}"
            results.append(Result(named, mean, "", goal=goal if judges == 1 else None, lower_is_better=True))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    show(cells(parser.parse_args().seed), Console())
