"""The plain replay that others are compared with: votes, in the order in which they counted, one after the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from watcher.model.rating import BASE_RATING, gain
from watcher.model.vote import LoggedVote


class VoteOrderError(ValueError):
    """A vote does not come after the one before it."""


@dataclass(slots=True)
class Replayed:
    """What a crucible's votes add up to. Entries without votes are not in it: their rating is the base."""

    ratings: dict[int, int] = field(default_factory=dict)
    votes: dict[int, int] = field(default_factory=dict)
    """Entry id -> votes that it was part of."""
    judges: set[int] = field(default_factory=set)
    last: tuple[int, int] = (0, 0)
    """Epoch and number of the last vote."""
    differing: list[LoggedVote] = field(default_factory=list)
    """Votes that recorded other ratings than the replay gives. Empty, unless something is wrong."""


def replay(log: Iterable[LoggedVote], begin: Mapping[int, int] | None = None) -> Replayed:
    """Cast the votes again, one after the other. Integers only: exact to the point.

    Args:
        log: votes in ascending order of (epoch, seq).
        begin: ratings before the first of them; the base for entries that are not in it.

    Raises:
        VoteOrderError: a vote's place is not above that of the vote before it.

    >>> replay([LoggedVote(1, 1, 7, 8, 5, 0, 1516, 1484)]).ratings
    {7: 1516, 8: 1484}
    """
    done = Replayed(ratings=dict(begin or {}))
    ratings, votes, judges, last = done.ratings, done.votes, done.judges, done.last
    for vote in log:
        epoch, seq, winner, loser, user_id, _ms, winner_elo, loser_elo = vote
        if (epoch, seq) <= last:
            raise VoteOrderError(f"vote {epoch}-{seq} comes after {last[0]}-{last[1]}, expected ascending order")
        last = epoch, seq
        before, others = ratings.get(winner, BASE_RATING), ratings.get(loser, BASE_RATING)
        points = gain(before, others)
        ratings[winner], ratings[loser] = before + points, others - points
        votes[winner] = votes.get(winner, 0) + 1
        votes[loser] = votes.get(loser, 0) + 1
        judges.add(user_id)
        if (before + points, others - points) != (winner_elo, loser_elo):
            done.differing.append(vote)
    done.last = last
    return done
