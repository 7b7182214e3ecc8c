"""Which two entries a judge sees next: a choice among a few that were drawn at random.

Elo learns the whole order best when votes are level: so the entry with the fewest votes among 32 drawn ones meets one
of few votes (early) or one of near rating (late). The prize places need more votes than the rest: so late, three in
ten pairs come from the top. Drawing anew for each pair needs no memory, no reservation, and costs the same with a
hundred entries as with a million; ``benchmarks/ranking.py`` measures what it is worth.

No judge meets an entry much more often than the others, and once ratings mean something nobody meets one of the leaders
twice: otherwise one judge who always prefers the same entry would bring it to a prize. Both go by the whole crucible,
not by what the judge wants to see of it: among the few images of one level a friend would be met again and again.
``benchmarks/shopping.py`` measures what is left.

What is drawn holds none of the judge's own entries. Whether the judge has seen a pair is not known here: pairs come in
order of preference, and the caller takes the first that is new.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

import msgspec

Random = Callable[[], float]
"""Draws from 0 up to, not including, 1."""


class PairCandidate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An admitted entry, as the draw brings it."""

    entry_id: int
    image_id: int
    votes: int
    rating: int
    level: int
    """Exact nsfwLevel of its image."""
    met: int = 0
    """Times that the judge has met it: pairs with it that were judged, skipped, or are open."""


Pair = tuple[PairCandidate, PairCandidate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers of the choice. Found by simulation, and flat around: none is worth a setting."""

    draw: int = 32
    """Entries drawn. Fewer: votes are less level; more: every pair costs more, for nothing that shows."""
    wide_draw: int = 128
    """Entries drawn when the judge has seen all pairs of a first draw."""
    least_of: int = 4
    """Early opponents are the least voted of so many. More: late-comers meet each other only."""
    turn: float = 0.7
    """Part of the time after which ratings mean enough to go by."""
    finals_share: float = 0.3
    """Part of the pairs after the turn that come from the top. More: winners are surer, all others less sure."""
    finals_least: int = 12
    """Entries at the top, at least; also when fewer places are paid."""
    finals_per_place: int = 2
    """Entries at the top for each paid place."""
    finals_tries: int = 8
    """Pairs of the top to offer before one of the rest is taken."""
    cap_factor: int = 4
    cap_votes: int = 10
    """Finalists with more votes than ``cap_factor`` times the median plus this are served by the base alone."""
    bounded_from: int = 32
    """Entries from which on it is bounded how often a judge meets one: fewer make too few pairs."""
    meets: int = 2
    """Times that a judge may meet an entry, beyond how often that judge has met entries on average. More: whoever looks
    for a friend finds it more often; fewer: all the same, for honest judges too."""
    leader_meets: int = 1
    """Times that a judge may meet one of the leaders once they are settled. Each more is worth another place to a
    friend."""
    settled_votes: int = 15
    """Votes per entry from which on leaders are settled, however much of the time is left: most may be cast early.
    More: who comes then gains more for a friend; fewer: the best get fewer votes, and are less sure."""


POLICY = Policy()


def elapsed(now_ms: int, start_ms: int | None, end_ms: int | None) -> float:
    """Return the part of a crucible's time that is over, 0 to 1; 0 for one without an end.

    >>> elapsed(1_750, 1_000, 2_000), elapsed(5, None, 10), elapsed(9_000, 1_000, 2_000)
    (0.75, 0.0, 1.0)
    """
    if start_ms is None or end_ms is None or end_ms <= start_ms:
        return 0.0
    return min(1.0, max(0.0, (now_ms - start_ms) / (end_ms - start_ms)))


def finalists(part: float, places: int, random: Random, policy: Policy = POLICY) -> int:
    """Return how many entries from the top to draw for the next pair: 0 unless it is to come from there.

    Args:
        part: of the time that is over.
        places: paid places of the crucible.
    """
    if part < policy.turn or random() >= policy.finals_share:
        return 0
    return max(policy.finals_least, policy.finals_per_place * places)


def leaders(places: int, policy: Policy = POLICY) -> int:
    """Return how many entries of the standings count as leaders at most: those that finals are made of.

    Args:
        places: paid places of the crucible.
        policy: the numbers.
    """
    return max(policy.finals_least, policy.finals_per_place * places)


def are_settled(part: float, votes: int, entries: int, policy: Policy = POLICY) -> bool:
    """Return whether it is known well enough who leads that judges meet each leader once.

    Args:
        part: of the crucible's time that is over.
        votes: counted in the crucible; each is one of two entries.
        entries: of the crucible.
        policy: the numbers.

    >>> are_settled(0.1, 449, 60), are_settled(0.1, 450, 60), are_settled(0.7, 0, 60)
    (False, True, True)
    """
    return part >= policy.turn or 2 * votes >= policy.settled_votes * max(1, entries)


def _of_them(visible: int) -> int:
    """Return how many entries the top has at most where so many are to be seen."""
    return max(4, visible // 5)


class Meetings(msgspec.Struct, frozen=True):
    """How many pairs a judge was served, and who the leaders are; how often an entry was met is known by the entry."""

    pairs: int = 0
    """Pairs that the judge was served."""
    leaders: Sequence[int] = ()
    """The first of the standings, best first, as many as ``leaders`` says; none while they are not settled."""
    entries: int = 0
    """Entries of the crucible that are admitted, whichever of them this judge sees."""

    def may_meet(self, policy: Policy = POLICY) -> "tuple[Callable[[PairCandidate], bool], int]":
        """Return whether the judge may meet an entry at all, and how often one is met before all others are."""
        if self.entries < policy.bounded_from:
            return (lambda _: True), self.pairs + 1  # nobody is met more often than there are pairs
        leading = frozenset(self.leaders[: _of_them(self.entries)])
        return (
            lambda one: one.met < policy.leader_meets or one.entry_id not in leading,
            policy.meets + 2 * self.pairs // self.entries,
        )


def pairs(
    drawn: Sequence[PairCandidate],
    top: Sequence[PairCandidate],
    visible: int,
    part: float,
    random: Random,
    *,
    avoid: Collection[int] = (),
    meetings: Meetings = Meetings(),  # noqa: B008 - it is frozen
    policy: Policy = POLICY,
) -> Iterator[Pair]:
    """Yield pairs for one judge, the best first: some of the top if there is a top, then every pair of what was drawn.

    Those with an entry that the judge has met often come after all others, and those with a leader that the judge has
    met do not come once leaders are settled.

    Args:
        drawn: random entries, each once.
        top: the highest-rated entries, best first; empty unless ``finalists`` asked for them.
        visible: entries that the judge may see, own ones included.
        part: of the crucible's time that is over.
        random: the only source of chance.
        avoid: images that the judge has just seen; their pairs come last.
        meetings: what the judge has met.
        policy: the numbers.
    """
    may_meet, often = meetings.may_meet(policy)
    finals = [one for one in top[: min(len(top), _of_them(visible))] if may_meet(one)]
    yield from _of_the_top(finals, drawn, random, policy)
    allowed = [one for one in drawn if may_meet(one)]
    rarely_met = [one for one in allowed if one.met < often]
    yield from _of_the_rest(rarely_met, part >= policy.turn, random, avoid, policy)
    if len(rarely_met) < len(allowed):
        by_meetings = sorted(allowed, key=lambda one: (one.met, random()))
        for at, one in enumerate(by_meetings):
            yield from ((other, one) for other in by_meetings[:at] if one.met >= often and _differ(one, other))


def _of_the_top(
    top: Sequence[PairCandidate], drawn: Sequence[PairCandidate], random: Random, policy: Policy
) -> Iterator[Pair]:
    if len(top) < 2:
        return
    votes = [one.votes for one in drawn] or [one.votes for one in top]
    cap = policy.cap_factor * median_low(votes) + policy.cap_votes
    for _ in range(policy.finals_tries):
        first = min((top[int(random() * len(top))] for _ in range(3)), key=_votes)
        if first.votes >= cap:
            return
        second = top[int(random() * len(top))]
        if _differ(first, second):
            yield first, second


def _of_the_rest(
    drawn: Sequence[PairCandidate], late: bool, random: Random, avoid: Collection[int], policy: Policy
) -> Iterator[Pair]:
    """Yield each pair once: those of the entry with fewest votes, those of the next one with the others, and so on."""
    mixed = sorted(drawn, key=lambda _: random())  # equal votes and equal gaps are then in random order
    fresh = [one for one in mixed if one.image_id not in avoid] if avoid else mixed
    fresh.sort(key=_votes)
    if len(fresh) < len(mixed):
        fresh += sorted((one for one in mixed if one.image_id in avoid), key=_votes)
    for at, first in enumerate(fresh, start=1):
        others = _in_order(first, fresh[at:], late, random, policy)
        if avoid:
            others.sort(key=lambda one: one.image_id in avoid)
        for second in others:
            if _differ(first, second):
                yield first, second


def _in_order(
    first: PairCandidate, others: list[PairCandidate], late: bool, random: Random, policy: Policy
) -> list[PairCandidate]:
    """Return the opponents of an entry, the best first."""
    if late:
        level, rating = first.votes + 1, first.rating
        others.sort(key=lambda one: (one.votes - level, 0) if one.votes > level else (0, abs(one.rating - rating)))
    else:
        others.sort(key=lambda _: random())
        few = policy.least_of
        others[:few] = sorted(others[:few], key=_votes)
    return others


def _votes(one: PairCandidate) -> int:
    return one.votes


def _differ(one: PairCandidate, other: PairCandidate) -> bool:
    """Return whether two entries show different images; an image may be entered twice."""
    return one.entry_id != other.entry_id and one.image_id != other.image_id
