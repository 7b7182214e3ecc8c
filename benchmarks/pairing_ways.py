"""Ways to pair, to compare: the one that ships, uniform random pairs, and that of the site's first version."""

import random
from heapq import nsmallest
from itertools import combinations

from benchmarks.contest import Contest, EntryPair
from watcher.model.pairing import POLICY, Meetings, PairCandidate, are_settled, finalists, leaders, pairs

PLACES = 3
"""Paid places."""
TRIES = 400
"""Random pairs until a judge counts as one who has seen everything."""


def shipped(contest: Contest, judge: int) -> EntryPair | None:
    """Return a pair as the watcher's own code chooses it, over draws as Redis makes them."""
    chance, entered, part = contest.chance, contest.entered, contest.part
    ratings = contest.ratings
    top: list[PairCandidate] = []
    leading: list[int] = []
    if are_settled(part, contest.cast, entered):
        leading = nsmallest(leaders(PLACES), range(entered), key=lambda entry: (-ratings[entry], entry))
    meetings = Meetings(sum(contest.met(judge).values()) // 2, leading, entered)
    if wanted := finalists(part, PLACES, chance.random):
        best = nsmallest(wanted, range(entered), key=lambda entry: (-ratings[entry], entry))
        top = [_candidate(contest, judge, entry) for entry in best if contest.world.owners[entry] != judge]
    for count in (POLICY.draw, POLICY.wide_draw, entered):
        some = chance.sample(range(entered), min(count, entered))
        drawn = [_candidate(contest, judge, entry) for entry in some if contest.world.owners[entry] != judge]
        seen = contest.just_seen(judge)
        for one, other in pairs(drawn, top, entered, part, chance.random, avoid=seen, meetings=meetings):
            if contest.is_new(judge, one.entry_id, other.entry_id):
                return one.entry_id, other.entry_id
        top = []
    return None


def uniform(contest: Contest, judge: int) -> EntryPair | None:
    """Two entries at random."""
    entered, draw = contest.entered, contest.chance.random
    for _ in range(TRIES):
        one, other = int(draw() * entered), int(draw() * entered)
        if contest.is_new(judge, one, other):
            return one, other
    return next((pair for pair in combinations(range(entered), 2) if contest.is_new(judge, *pair)), None)


def reference(contest: Contest, judge: int) -> EntryPair | None:
    """Return a pair as the site's first version chose it: by how far ratings have moved; it knows no numbers of votes.

    Of a hundred random entries, the first is one of those whose rating has moved least; the second depends on how far
    that is. Three attempts, each with other entries.
    """
    for _ in range(3):
        owners, chance = contest.world.owners, contest.chance
        some = chance.sample(range(contest.entered), min(contest.entered, 110))
        some = [entry for entry in some if owners[entry] != judge][:100]
        if len(some) < 2:
            return None
        away = {entry: abs(contest.ratings[entry] - 1500) for entry in some}
        least = min(away.values()) + 30
        firsts = [entry for entry in some if away[entry] <= least]
        chance.shuffle(firsts)
        for first in firsts:
            seconds = _seconds(contest, first, away)
            chance.shuffle(seconds)
            for second in seconds:
                if contest.is_new(judge, first, second):
                    return first, second
    return None


def _seconds(contest: Contest, first: int, away: dict[int, int]) -> list[int]:
    ratings, moved = contest.ratings, away[first]
    others = [entry for entry in away if entry != first]
    gaps = [abs(ratings[entry] - ratings[first]) for entry in others]
    if moved <= 50:
        found = [entry for entry in others if away[entry] > 50]
    elif moved <= 150:
        found = [entry for entry, gap in zip(others, gaps, strict=True) if gap <= 200 and 50 <= away[entry] <= 300]
    else:
        found = [entry for entry, gap in zip(others, gaps, strict=True) if gap <= 100]
        found = found or [entry for entry, gap in zip(others, gaps, strict=True) if gap <= 200]
    return found or others


def _candidate(contest: Contest, judge: int, entry: int) -> PairCandidate:
    return PairCandidate(entry, entry, contest.votes[entry], contest.ratings[entry], 1, contest.met(judge)[entry])


def chance_of(seed: int) -> random.Random:
    """Return what judges and ways to pair draw from; another stream than that of the world."""
    return random.Random(1_000_003 * seed + 7)
