"""What votes should have come to, by the numbered rows in ClickHouse and the rating formula as it is published.

Written from the formula, in floating point, and from nothing in the watcher, whose ratings come from a table.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor

from clickhouse_connect.driver.client import Client

from demo.judges.ledger import Cast

BASE = 1500
K = 32
SCALE = 400

NUMBERED = """
SELECT crucible_id, vote_epoch, vote_seq, winner_entry_id, loser_entry_id, user_id, winner_elo, loser_elo
FROM crucible_entry_rating
WHERE vote_seq > 0
ORDER BY crucible_id, vote_epoch, vote_seq
"""


@dataclass(slots=True)
class ExpectedStanding:
    """A crucible's ratings and counts after some votes."""

    ratings: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: BASE))
    votes: Counter[int] = field(default_factory=Counter)
    """Entry -> votes that it was part of."""
    judges: Counter[int] = field(default_factory=Counter)
    """User -> votes cast."""
    last: tuple[int, int] = (0, 0)
    """Epoch and number of the last vote."""
    differing: list[Cast] = field(default_factory=list)
    """Votes that recorded other ratings than the formula gives."""

    @property
    def cast(self) -> int:
        """Return how many votes were cast, over all judges."""
        return sum(self.judges.values())


def numbered(clickhouse: Client) -> list[Cast]:
    """Return every numbered vote, by crucible and in order."""
    return [Cast(*row) for row in clickhouse.query(NUMBERED).result_rows]


def gain(winner: int, loser: int) -> int:
    """Return the points that go over: ``round(K * (1 - E))``.

    >>> gain(1500, 1500), gain(1600, 1400), gain(1400, 1600), gain(1200, 1800)
    (16, 8, 24, 31)
    """
    expected = 1 / (1 + 10 ** ((loser - winner) / SCALE))
    return floor(K * (1 - expected) + 0.5)


def standings(votes: Iterable[Cast]) -> dict[int, ExpectedStanding]:
    """Return what the votes of each crucible come to, cast again one after the other.

    >>> after = standings([Cast(5, 1, 1, 7, 8, 3, 1516, 1484), Cast(5, 1, 2, 8, 7, 4, 1501, 1499)])[5]
    >>> dict(after.ratings), after.votes[7], after.last, after.differing
    ({7: 1499, 8: 1501}, 2, (1, 2), [])
    """
    found: dict[int, ExpectedStanding] = defaultdict(ExpectedStanding)
    for vote in votes:
        standing = found[vote.crucible]
        ratings = standing.ratings
        points = gain(ratings[vote.winner], ratings[vote.loser])
        ratings[vote.winner] += points
        ratings[vote.loser] -= points
        standing.votes.update((vote.winner, vote.loser))
        standing.judges[vote.user] += 1
        standing.last = vote.epoch, vote.seq
        if (ratings[vote.winner], ratings[vote.loser]) != (vote.winner_elo, vote.loser_elo):
            standing.differing.append(vote)
    return dict(found)
