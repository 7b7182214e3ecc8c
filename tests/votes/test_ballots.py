"""What endings may rely on of the votes: of Redis with ClickHouse, and of what tests of endings have in memory."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import pytest

from tests.settlement.ballots import MemoryBallots
from tests.votes.judges import send
from tests.votes.world import VoteWorld
from watcher.bootstrap.ballots import ballots as stored_ballots
from watcher.bootstrap.clients import site_session
from watcher.model.rating import BASE_RATING, gain
from watcher.model.vote import Vote
from watcher.redis import keys
from watcher.settlement.ports import Ballots, Differs, Proven

SECONDS = 20.0


class PollingPlace(Protocol):
    """Where votes are cast, whoever keeps them."""

    ballots: Ballots

    def crucible(self) -> tuple[int, list[int]]:
        """A crucible that takes votes, and three entries."""
        ...

    def vote(self, crucible: int, winner: int, loser: int) -> bool:
        """Cast a vote of a new judge; return whether it counts."""
        ...

    def spoil(self, crucible: int, entry: int) -> None:
        """Give an entry a point that no vote has given it."""
        ...


class InMemory:
    """What tests of endings have."""

    def __init__(self) -> None:
        self.kept = MemoryBallots()
        self.ballots: Ballots = self.kept
        self._crucibles = 0

    def crucible(self) -> tuple[int, list[int]]:
        self._crucibles += 1
        return self._crucibles, [10 * self._crucibles + number for number in range(3)]

    def vote(self, crucible: int, winner: int, loser: int) -> bool:
        return self.kept.vote(crucible, winner, loser)

    def spoil(self, crucible: int, entry: int) -> None:
        self.kept.lost[crucible] = entry


class Stored:
    """Redis and ClickHouse."""

    def __init__(self, world: VoteWorld, ballots: Ballots) -> None:
        self.ballots, self._world, self._judges = ballots, world, 1_000  # entrants have smaller ids

    def crucible(self) -> tuple[int, list[int]]:
        crucible = self._world.crucible(3)
        self._world.keep(crucible)
        return crucible, self._world.entries(crucible)

    def vote(self, crucible: int, winner: int, loser: int) -> bool:
        self._judges += 1
        return send(self._world.redis, [Vote(crucible, self._judges, winner, loser)], self._world.cast) == 1

    def spoil(self, crucible: int, entry: int) -> None:
        self._world.redis.hincrby(keys.elo(crucible), str(entry), 1)


@pytest.fixture(params=["in memory", "stored"])
def place(request: pytest.FixtureRequest) -> Iterator[PollingPlace]:
    """Both, one after the other."""
    if request.param == "in memory":
        yield InMemory()
        return
    world: VoteWorld = request.getfixturevalue("world")
    settings = world.settings()
    with stored_ballots(settings, world.metrics, partial(site_session, settings)) as ballots:
        yield Stored(world, ballots)


def replayed(votes: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Entry, rating and votes, of those with a vote."""
    ratings, counts = dict[int, int](), dict[int, int]()
    for winner, loser in votes:
        points = gain(ratings.get(winner, BASE_RATING), ratings.get(loser, BASE_RATING))
        for entry, change in ((winner, points), (loser, -points)):
            ratings[entry] = ratings.get(entry, BASE_RATING) + change
            counts[entry] = counts.get(entry, 0) + 1
    return sorted((entry, rating, counts[entry]) for entry, rating in ratings.items())


def test_a_result_follows_from_the_votes_before_the_freeze(place: PollingPlace) -> None:
    """Ratings, numbers and digest are those of a replay; nobody's vote comes after it; asked again it is the same."""
    crucible, (first, second, never) = place.crucible()
    cast = [(first, second), (first, second), (second, first)]
    assert [place.vote(crucible, *one) for one in cast] == [True] * 3

    frozen = place.ballots.freeze(crucible)
    assert not place.vote(crucible, never, second)
    assert place.ballots.drain(crucible, SECONDS)
    proven = place.ballots.prove(crucible)

    assert isinstance(proven, Proven)
    assert list(proven.ratings) == replayed(cast)
    assert (proven.votes, proven.epoch, proven.seq) == (3, frozen.epoch, frozen.seq)
    lines = "".join(f"{entry}:{rating}:{votes}\n" for entry, rating, votes in replayed(cast))
    assert proven.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert place.ballots.freeze(crucible) == frozen
    assert place.ballots.drain(crucible, SECONDS)
    assert place.ballots.prove(crucible) == place.ballots.recompute(crucible) == proven


def test_nobody_has_voted(place: PollingPlace) -> None:
    """An empty result, and no error."""
    crucible, _ = place.crucible()
    assert place.ballots.freeze(crucible).seq == 0
    assert place.ballots.drain(crucible, SECONDS)

    proven = place.ballots.prove(crucible)

    assert isinstance(proven, Proven)
    assert (len(proven.ratings), proven.votes, proven.digest) == (0, 0, hashlib.sha256().hexdigest())
    assert place.ballots.recompute(crucible).digest == proven.digest


def test_a_freeze_is_one_crucible_s(place: PollingPlace) -> None:
    """Others go on taking votes, and theirs are in no result but their own."""
    (over, entries), (goes_on, others) = place.crucible(), place.crucible()
    assert place.vote(over, *entries[:2])
    place.ballots.freeze(over)

    assert place.vote(goes_on, *others[:2])
    assert not place.vote(over, *entries[1:])
    assert place.ballots.drain(over, SECONDS)
    proven = place.ballots.prove(over)
    assert isinstance(proven, Proven)
    assert list(proven.ratings.entry_ids) == entries[:2]


def test_votes_that_did_not_come_in_time_are_waited_for(place: PollingPlace) -> None:
    """A drain that has no time says so, and the next one goes on."""
    crucible, entries = place.crucible()
    assert place.vote(crucible, *entries[:2])
    place.ballots.freeze(crucible)

    assert not place.ballots.drain(crucible, -1.0)
    assert place.ballots.drain(crucible, SECONDS)


@pytest.mark.parametrize("asks", ["prove", "recompute"])
def test_a_point_that_no_vote_has_given_is_told(place: PollingPlace, asks: str) -> None:
    """With both sides of it; what ClickHouse has alone is not touched by it."""
    crucible, (first, second, _) = place.crucible()
    cast = [(first, second)]
    assert place.vote(crucible, *cast[0])
    place.ballots.freeze(crucible)
    assert place.ballots.drain(crucible, SECONDS)
    place.spoil(crucible, second)

    ask: Callable[[int], Proven | Differs] = getattr(place.ballots, asks)
    found = ask(crucible)

    entry, rating, votes = replayed(cast)[1]
    if asks == "recompute":
        assert isinstance(found, Proven)
        assert list(found.ratings) == replayed(cast)
        return
    assert isinstance(found, Differs)
    (one,) = found.entries
    assert (one.entry_id, one.rating, one.votes) == (entry, rating + 1, votes)
    assert (one.replayed_rating, one.replayed_votes) == (rating, votes)
    assert "1 entry" in found.what
