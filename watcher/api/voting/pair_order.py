"""The orders in which pairs are offered to a judge: of what was drawn, and of all that there is.

What is preferred is said in :mod:`watcher.model.pairing`; here is what it is told of a draw, of the pairs that are open
already, and of what the judge has just seen.
"""

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import combinations

import msgspec

from watcher.api.voting.candidates import without
from watcher.model.pairing import Meetings, Pair, PairCandidate, are_settled, elapsed, pairs
from watcher.model.vote import pair_field
from watcher.redis.draw import Drawn

PairOrder = Callable[[Sequence[Pair]], Iterator[Pair]]
"""Returns pairs in order of preference, beside those that are open; anew each time, because entries become hidden."""


def drawn_order(drawn: Drawn, hidden: Collection[int], just_seen: Collection[int], chance: random.Random) -> PairOrder:
    """Return the order of the pairs that can be made of a draw, the best first.

    Args:
        drawn: random entries, and those of the top if the pair is to come from there.
        hidden: entries that the judge may not see; more may be added meanwhile.
        just_seen: images that come last.
        chance: the only source of chance.
    """

    def order(beside: Sequence[Pair]) -> Iterator[Pair]:
        open_images = [one.image_id for pair in beside for one in pair]
        chosen = {one.entry_id for pair in beside for one in pair}.difference(one.entry_id for one in drawn.held)
        return pairs(
            _met_once_more(without(drawn.entries, hidden), chosen),
            _met_once_more(without(drawn.top, hidden), chosen),
            drawn.visible,
            _part(drawn),
            chance.random,
            avoid=[*just_seen, *open_images],
            meetings=meetings(drawn, drawn.met + len(chosen) // 2),
        )

    return order


def order_of_all(
    drawn: Drawn, every: Sequence[PairCandidate], hidden: Collection[int], done: Collection[str], chance: random.Random
) -> PairOrder:
    """Return an order of all pairs that the judge has neither judged nor skipped, a random one.

    Args:
        drawn: the crucible as it is.
        every: each entry that the judge may see, with how often it was met.
        hidden: entries that the judge may not see; more may be added meanwhile.
        done: pairs that the judge has judged or skipped, as ``pair_field`` names them.
        chance: the only source of chance.
    """
    may_meet, _ = meetings(drawn, len(done)).may_meet()
    allowed = [one for one in every if may_meet(one)]
    chance.shuffle(allowed)

    def order(_: Sequence[Pair]) -> Iterator[Pair]:
        return (
            (one, other)
            for one, other in combinations(without(allowed, hidden), 2)
            if one.image_id != other.image_id and pair_field(one.entry_id, other.entry_id) not in done
        )

    return order


def meetings(drawn: Drawn, met: int) -> Meetings:
    """Return what a judge who was served so many pairs has met, with the leaders if they are settled.

    Of a crucible that ends, and of which nobody knows when it began, nobody knows how late it is: it may be.
    """
    part = 1.0 if drawn.start_ms is None and drawn.end_ms is not None else _part(drawn)
    settled = are_settled(part, drawn.votes, drawn.admitted)
    return Meetings(met, drawn.leaders if settled else (), drawn.admitted)


def _part(drawn: Drawn) -> float:
    """Return how much of the crucible's time is over."""
    return elapsed(drawn.now_ms, drawn.start_ms, drawn.end_ms)


def _met_once_more(some: Sequence[PairCandidate], entries: Collection[int]) -> list[PairCandidate]:
    """Return candidates, of which these entries are about to be met."""
    return [msgspec.structs.replace(one, met=one.met + 1) if one.entry_id in entries else one for one in some]
