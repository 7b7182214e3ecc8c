"""A simulated crucible: entries of known strength, judges who mostly prefer the stronger one, and who is shown what.

Entry ``n`` is entered before entry ``n + 1``; the last 30 % join after half the votes. Strengths are normal on the Elo
scale, a judge prefers one entry over another by the odds of their difference (Bradley-Terry). Some judges judge a lot
and many little (log-normal); entrants are judges too. Nobody is shown own entries, or a pair twice.
"""

import random
from bisect import bisect
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from watcher.model.rating import BASE_RATING, SCALE, gain

LATE_SHARE = 0.3
"""Part of the entries that join after half the votes."""
ACTIVITY = 1.2
"""Of judges: deviation of the logarithm of how much they judge."""

EntryPair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class World:
    """What nobody knows: how strong entries are, and who judges how much."""

    strengths: list[float]
    """In points."""
    owners: list[int]
    """The judge whose entry it is."""
    activity: list[float]
    """Cumulative, by judge."""

    @classmethod
    def of(cls, entries: int, sigma: float, seed: int) -> "World":
        """Return a world; the same for the same seed, whatever is tried in it.

        Args:
            entries: how many.
            sigma: deviation of their strengths, in points.
            seed: of everything in it.
        """
        chance = random.Random(seed)
        entrants = max(1, entries // 3)
        owners = [number % entrants for number in range(entries)]
        chance.shuffle(owners)
        judges = max(40, entries // 2)
        return cls(
            strengths=[chance.gauss(0.0, sigma) for _ in range(entries)],
            owners=owners,
            activity=list(accumulate(chance.lognormvariate(0.0, ACTIVITY) for _ in range(judges))),
        )


class Contest:
    """A crucible as far as it has got. A way to pair reads it, and writes nothing.

    Args:
        world: what the judges go by.
        total: votes until the end.
        chance: of judges, and of the way to pair.
    """

    def __init__(self, world: World, total: int, chance: random.Random) -> None:
        entries = len(world.strengths)
        self.world, self.total, self.chance = world, total, chance
        self.ratings = [BASE_RATING] * entries
        self.votes = [0] * entries
        self.early = entries - round(LATE_SHARE * entries)
        self.cast = 0
        self._judged: dict[int, set[EntryPair]] = {}
        self._seen: dict[int, deque[int]] = {}
        self._met: dict[int, Counter[int]] = {}

    @property
    def entered(self) -> int:
        """Entries so far: those below this number."""
        return self.early if 2 * self.cast < self.total else len(self.ratings)

    @property
    def part(self) -> float:
        """Part of the votes, and hence of the time, that is over."""
        return self.cast / self.total

    def is_new(self, judge: int, one: int, other: int) -> bool:
        """Return whether the judge may be shown this pair."""
        owners = self.world.owners
        if one == other or judge in {owners[one], owners[other]}:
            return False
        return (min(one, other), max(one, other)) not in self._judged.get(judge, ())

    def just_seen(self, judge: int) -> deque[int]:
        """Return the entries that the judge was shown last."""
        return self._seen.setdefault(judge, deque(maxlen=10))

    def met(self, judge: int) -> Counter[int]:
        """Return how often the judge was shown each entry."""
        return self._met.setdefault(judge, Counter())

    def play(self, choose: "WayOfChoosing", until: float = 1.0) -> None:
        """Let judges come and vote until so much of the votes is cast.

        Raises:
            RuntimeError: the way to pair showed a judge what it must not.
        """
        chance, activity = self.chance, self.world.activity
        while self.cast < self.total * until:
            judge = bisect(activity, chance.random() * activity[-1])
            pair = self.show(choose, judge)
            if pair is None:  # this judge has seen everything
                continue
            self.count(*self.judged(*pair))
            self.cast += 1

    def show(self, choose: "WayOfChoosing", judge: int) -> EntryPair | None:
        """Show a judge the next pair, which is not shown again; None if there is none.

        Raises:
            RuntimeError: the way to pair chose what the judge must not be shown.
        """
        pair = choose(self, judge)
        if pair is None:
            return None
        if not self.is_new(judge, *pair):
            raise RuntimeError(f"judge {judge} was shown {pair}: an own entry, or judged before")
        self._judged.setdefault(judge, set()).add((min(pair), max(pair)))
        self.just_seen(judge).extend(pair)
        self.met(judge).update(pair)
        return pair

    def judged(self, one: int, other: int) -> EntryPair:
        """Return winner and loser as somebody judges them who goes by their strengths."""
        strengths = self.world.strengths
        odds = 10.0 ** ((strengths[one] - strengths[other]) / SCALE)
        return (one, other) if self.chance.random() < odds / (1.0 + odds) else (other, one)

    def count(self, winner: int, loser: int) -> None:
        """Move both ratings, as a vote that counts does."""
        ratings = self.ratings
        points = gain(ratings[winner], ratings[loser])
        ratings[winner] += points
        ratings[loser] -= points
        self.votes[winner] += 1
        self.votes[loser] += 1


WayOfChoosing = Callable[[Contest, int], EntryPair | None]
"""A way to pair: the next pair for a judge; None if there is none."""
