"""Votes in memory, behind the port that endings ask; faults can be put in their way."""

from collections import Counter, defaultdict

from watcher.model.errors import TemporaryError
from watcher.model.final_ratings import FinalRatings
from watcher.model.rating import BASE_RATING, gain
from watcher.settlement.ports import Ballots, Differs, Frozen, Proven, RatingDifference


class MemoryBallots(Ballots):
    """Votes of crucibles: what Redis and ClickHouse would have between them."""

    def __init__(self) -> None:
        self.votes: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.frozen: dict[int, Frozen] = {}
        self.lost: dict[int, int] = {}
        """Crucible -> an entry of it that Redis gives a point more than the votes do."""
        self.slow: Counter[int] = Counter()
        """How many looks it takes until the votes are in ClickHouse."""
        self.drained: dict[int, int] = {}
        """Crucible -> votes that are there."""
        self.away: Counter[str] = Counter()
        """How many calls of a method find a neighbour away."""
        self.asked: Counter[str] = Counter()

    def vote(self, crucible_id: int, winner: int, loser: int) -> bool:
        """Cast a vote; return whether it counts."""
        if crucible_id in self.frozen:
            return False
        self.votes[crucible_id].append((winner, loser))
        return True

    def freeze(self, crucible_id: int) -> Frozen:
        self._ask("freeze")
        return self.frozen.setdefault(crucible_id, Frozen(1, len(self.votes[crucible_id])))

    def drain(self, crucible_id: int, timeout: float) -> bool:
        self._ask("drain")
        assert crucible_id in self.frozen, "drained before it was frozen"
        self.slow[crucible_id] -= 1
        waiting = len(self.votes[crucible_id]) - self.drained.get(crucible_id, 0)
        if self.slow[crucible_id] >= 0 or (timeout <= 0 and waiting):
            return False
        self.drained[crucible_id] = len(self.votes[crucible_id])
        return True

    def prove(self, crucible_id: int) -> Proven | Differs:
        self._ask("prove")
        assert crucible_id in self.frozen, "proven before it was frozen"
        proven = self.recompute(crucible_id)
        if (spoilt := self.lost.get(crucible_id)) is not None:
            (told,) = [
                RatingDifference(entry, rating + 1, votes, rating, votes)
                for entry, rating, votes in proven.ratings
                if entry == spoilt
            ]
            return Differs(f"1 entry of {len(proven.ratings)}", (told,))
        return proven

    def recompute(self, crucible_id: int) -> Proven:
        ratings, votes = defaultdict[int, int](lambda: BASE_RATING), Counter[int]()
        for winner, loser in self.votes[crucible_id]:
            points = gain(ratings[winner], ratings[loser])
            ratings[winner] += points
            ratings[loser] -= points
            votes.update((winner, loser))
        found = FinalRatings.of((entry, ratings[entry], votes[entry]) for entry in ratings)
        return Proven(found, len(self.votes[crucible_id]), found.digest(), 1, len(self.votes[crucible_id]))

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if self.away[what] > 0:
            self.away[what] -= 1
            raise TemporaryError(f"{what}: a neighbour is away")
