"""Who came where: the order of a crucible's entries when it ends.

By rating, the higher first; then by when the entry was made, the earlier first; then by its id. An entry that is not
admitted, or was hidden at the freeze, gets its score and no position. A million entries are a few arrays here, not a
million objects.
"""

from array import array
from collections.abc import Iterable, Mapping

import msgspec

from watcher.model.final_ratings import FinalRatings
from watcher.model.rating import BASE_RATING
from watcher.model.settlement import FinalStandings


class EnteredEntries(msgspec.Struct, frozen=True):
    """Entries of a crucible as they are when its result is written, sorted by id; the columns are of one length."""

    entry_ids: "array[int]" = msgspec.field(default_factory=lambda: array("l"))
    """Type code ``l``, as the others."""
    user_ids: "array[int]" = msgspec.field(default_factory=lambda: array("l"))
    created_us: "array[int]" = msgspec.field(default_factory=lambda: array("l"))
    """When the row was made, by the site's clock: microseconds since 1970."""
    placed: bytearray = msgspec.field(default_factory=bytearray)
    """1: it takes part, and could be shown when votes were closed, so it gets a position; else 0."""

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int, bool]]) -> "EnteredEntries":
        """Return the columns of entries given as (entry, user, created, placed), in the order of their ids.

        Raises:
            ValueError: they are in another order, or one is there twice.
        """
        columns, last = cls(), 0
        add = (columns.entry_ids.append, columns.user_ids.append, columns.created_us.append, columns.placed.append)
        for entry, user, created, placed in rows:
            if entry <= last:
                raise ValueError(f"given entry {entry} after {last}, expected entries in the order of their ids")
            last = entry
            for append, value in zip(add, (entry, user, created, placed), strict=True):
                append(value)
        return columns

    def __len__(self) -> int:
        return len(self.entry_ids)


class Ranking(msgspec.Struct, frozen=True):
    """What each entry came to; the columns are of one length, in the order of the entries' ids."""

    entry_ids: "array[int]"
    scores: "array[int]"
    votes: "array[int]"
    positions: "array[int]"
    """From 1; 0 for an entry without one."""
    order: "array[int]"
    """Indexes of those with a position in the columns above, best first."""


def rank(entries: EnteredEntries, ratings: FinalRatings) -> Ranking:
    """Return what each entry came to.

    Args:
        entries: of one crucible. Those that are gone since votes were counted for them are not among them.
        ratings: of its entries; one that is not among them was never judged.
    """
    scores, votes = _spread(entries, ratings)
    # Stable sorts in the place of one by a key of three parts: numbers are compared many times faster than tuples, and
    # no key is made for each entry. By id they are sorted already.
    order = [index for index, placed in enumerate(entries.placed) if placed]
    order.sort(key=entries.created_us.__getitem__)
    order.sort(key=scores.__getitem__, reverse=True)
    positions = array("l", bytes(8 * len(entries)))
    for position, index in enumerate(order, start=1):
        positions[index] = position
    return Ranking(entries.entry_ids, scores, votes, positions, array("l", order))


def standings(entries: EnteredEntries, ranking: Ranking, prizes: Mapping[int, int]) -> FinalStandings:
    """Return entries with a position, best first.

    Args:
        entries: that were ranked.
        ranking: of them.
        prizes: Buzz by position.
    """
    return FinalStandings(
        array("l", map(entries.entry_ids.__getitem__, ranking.order)),
        array("l", map(entries.user_ids.__getitem__, ranking.order)),
        array("l", map(ranking.scores.__getitem__, ranking.order)),
        prizes,
    )


def _spread(entries: EnteredEntries, ratings: FinalRatings) -> "tuple[array[int], array[int]]":
    """Return rating and number of votes of each entry: both sides are sorted by id, so that one pass finds them."""
    scores = array("l", [BASE_RATING]) * len(entries)
    votes = array("l", [0]) * len(entries)
    known = iter(ratings)
    entry, rating, count = next(known, _NOBODY)
    for index, wanted in enumerate(entries.entry_ids):
        while entry < wanted:
            entry, rating, count = next(known, _NOBODY)
        if entry == wanted:
            scores[index], votes[index] = rating, count
    return scores, votes


_NOBODY = (2**63 - 1, 0, 0)
"""Comes after every entry."""
