"""What judges gain who do not judge, but push a friend: how many places, and how often among the paid ones.

A friend's entry stands at place 8 when they arrive, late. They ask for pairs, prefer the friend whenever it is there,
skip what they may of the rest, and judge the others as everybody does. The same crucible is played to its end without
them too, and both some times, because much is chance; what differs on average is theirs.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from statistics import fmean, stdev

from benchmarks.contest import Contest, WayOfChoosing, World
from benchmarks.pairing_ways import PLACES, chance_of, shipped
from watcher.model.open_pairs import skips_allowed

SIGMA_POINTS = 200.0
"""Deviation of strengths, in points."""
VOTES = 20
"""Votes per entry."""
FRIEND_PLACE = 8
"""Of the friend when the ring arrives."""
ENDS = 5
"""Times that a crucible is played from the ring's arrival to its end."""
ASKS = 120
"""Pairs that each of them asks for: as many votes as the default limit gives them in a minute."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Who comes for the friend."""

    judges: int = 1
    share: float = 0.0
    """How many more, as a part of all judges."""
    asks: int = ASKS
    burns: bool = False
    """They skip nothing and vote on whatever comes, to get to the pairs with the friend."""

    def number(self, judges: int) -> int:
        """Return how many come where there are so many judges."""
        return self.judges + round(self.share * judges)


@dataclass(frozen=True, slots=True)
class Push:
    """What a ring came to in one crucible."""

    places: float
    """Gained by the friend."""
    paid: float
    """By how much more often the friend is among the paid ones, as a part of all ends."""
    votes: float
    """For the friend, of the ring."""


def pushes(choose: WayOfChoosing, entries: int, arrival: float, rings: Sequence[Ring], seed: int) -> list[Push]:
    """Return what each of some rings comes to in one crucible.

    Args:
        choose: the way to pair.
        entries: of the crucible.
        arrival: part of the votes that are cast before.
        rings: each comes alone.
        seed: of the crucible.
    """
    contest = Contest(World.of(entries, SIGMA_POINTS, seed), entries * VOTES // 2, chance_of(seed))
    contest.play(choose, arrival)
    friend = _order(contest)[FRIEND_PLACE - 1]
    alone, _ = _ends(contest, choose, friend, Ring(judges=0), seed)
    found = []
    for ring in rings:
        pushed, votes = _ends(contest, choose, friend, ring, seed)
        found.append(Push(fmean(alone) - fmean(pushed), _paid(pushed) - _paid(alone), votes))
    return found


def _ends(contest: Contest, choose: WayOfChoosing, friend: int, ring: Ring, seed: int) -> tuple[list[int], float]:
    """Return the friend's final places, and how often the ring voted for it on average."""
    first = len(contest.world.activity)  # judges that nobody has met yet
    places, votes = [], 0
    for number in range(ENDS):
        end = deepcopy(contest)
        end.chance = chance_of(seed + 1_000_000 * (1 + number))
        votes += sum(_shop(end, choose, first + one, friend, ring) for one in range(ring.number(first)))
        end.play(choose)
        places.append(_order(end).index(friend) + 1)
    return places, votes / ENDS


def _paid(places: Sequence[int]) -> float:
    return fmean(place <= PLACES for place in places)


def _shop(contest: Contest, choose: WayOfChoosing, judge: int, friend: int, ring: Ring) -> int:
    """Return how often a judge of the ring voted for the friend."""
    judged = skipped = votes = 0
    for _ in range(ring.asks):
        pair = contest.show(choose, judge)
        if pair is None:
            break
        if friend in pair:
            contest.count(friend, pair[0] if pair[1] == friend else pair[1])
            votes += 1
            judged += 1
        elif not ring.burns and skipped < skips_allowed(judged):
            skipped += 1
        else:
            contest.count(*(pair if ring.burns else contest.judged(*pair)))
            judged += 1
    return votes


def _order(contest: Contest) -> list[int]:
    return sorted(range(len(contest.ratings)), key=lambda entry: (-contest.ratings[entry], entry))


@dataclass(frozen=True, slots=True)
class ShopRow:
    """A ring over many crucibles of a size."""

    entries: int
    arrival: float
    ring: Ring
    pushes: list[Push]

    @property
    def places(self) -> float:
        """Places gained, on average."""
        return fmean(one.places for one in self.pushes)

    @property
    def error(self) -> float:
        """Return the mean's standard error."""
        return float(stdev(one.places for one in self.pushes)) / math.sqrt(len(self.pushes))

    @property
    def paid(self) -> float:
        """Part of the crucibles in which the friend is paid, and would not be."""
        return fmean(one.paid for one in self.pushes)

    @property
    def votes(self) -> float:
        """Votes for the friend."""
        return fmean(one.votes for one in self.pushes)


def rows(
    cases: Sequence[tuple[int, float]], rings: Sequence[Ring], seeds: Sequence[int], choose: WayOfChoosing = shipped
) -> list[ShopRow]:
    """Play each ring in the same crucibles, on all cores; cases are entries and arrival."""
    found = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        for entries, arrival in cases:
            played = list(processes.map(partial(pushes, choose, entries, arrival, rings), seeds, chunksize=5))
            found += [ShopRow(entries, arrival, ring, [one[at] for one in played]) for at, ring in enumerate(rings)]
    return found
