"""Casts very many votes again, from the bytes that ClickHouse sends. Integers only: exact to the point."""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

from watcher.model.rating import BASE_RATING, gain

VOTE: Final = Struct("<QIIii")
"""A vote: its number, winner, loser, and the ratings of both after it."""
REACH_POINTS: Final = 4_096
"""Points of lead that the table has. More takes a chain of entries that each beat the next; then ``gain`` is asked."""
BY_LEAD: Final = {lead: gain(lead, 0) for lead in range(-REACH_POINTS, REACH_POINTS + 1)}
"""Gain of a winner by points of lead."""


class VoteRows(NamedTuple):
    """Votes in ascending order of their numbers, all of one epoch."""

    epoch: int
    rows: bytes
    """``VOTE`` after ``VOTE``."""


class Ratings(dict[int, int]):
    """Ratings by entry id; that of an entry without votes is the base."""

    def __missing__(self, entry_id: int) -> int:
        """Return the base rating for an entry that is not there, without adding it.

        >>> Ratings()[7], len(Ratings())
        (1500, 0)
        """
        return BASE_RATING


@dataclass(slots=True)
class Tally:
    """What votes add up to so far. Entries without votes are not in it."""

    ratings: Ratings = field(default_factory=Ratings)
    cast: int = 0
    """Votes."""
    differing: int = 0
    """Votes that recorded other ratings than the replay gives."""
    first_differing: tuple[int, int] | None = None
    """Epoch and number of the first of them."""

    def add(self, votes: VoteRows) -> None:
        """Cast more votes again; they come after those before.

        >>> tally = Tally(); tally.add(VoteRows(1, VOTE.pack(1, 7, 8, 1516, 1484) + VOTE.pack(2, 7, 9, 1531, 1485)))
        >>> tally.ratings, tally.cast, tally.differing
        ({7: 1531, 8: 1484, 9: 1485}, 2, 0)
        """
        ratings, by_lead = self.ratings, BY_LEAD
        for seq, winner, loser, winner_elo, loser_elo in VOTE.iter_unpack(votes.rows):
            before, others = ratings[winner], ratings[loser]
            try:
                points = by_lead[before - others]
            except KeyError:
                points = gain(before, others)
            ratings[winner] = before = before + points
            ratings[loser] = others = others - points
            if before != winner_elo or others != loser_elo:
                self.differing += 1
                self.first_differing = self.first_differing or (votes.epoch, seq)
        self.cast += len(votes.rows) // VOTE.size
