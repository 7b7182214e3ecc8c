"""The verifier's rounds: what one that fails leaves to the next, and when the next one is due."""

from collections.abc import Callable, Collection
from typing import Any

import pytest

from watcher.model.errors import TemporaryError
from watcher.recovery.verification_rounds import VerificationRounds, VotedCrucibles


class Sweep:
    """Notes what it is asked to compare; the first crucible cannot be, as long as its neighbour is away."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.hinted: list[list[int]] = []
        self.hints_away = self.doubts_away = False
        self.files, self.walks = "", 0
        self.looked_for: list[list[int]] = []
        self.compared: list[list[int]] = []
        self.away = True
        self.told_to_stop: list[bool] = []
        self.during: Callable[[], None] = lambda: None

    def files_changed(self, files: str) -> bool:
        self.files, before = files, self.files
        return before not in {"", files}

    def doubt_all(self, _files: str) -> list[int]:
        if self.doubts_away:
            raise TemporaryError("redis is away")
        return [1, 2, 7, 8]

    def take_out_gone(self, crucible_ids: Collection[int], _: Callable[[], bool]) -> list[int]:
        self.looked_for.append(list(crucible_ids))
        return [one for one in crucible_ids if one == 8]

    def compare(self, crucible_ids: Collection[int], _: Callable[[], bool]) -> None:
        self.compared.append(sorted(crucible_ids))

    def look_for_gone(self, _: Callable[[], bool]) -> None:
        self.walks += 1

    def restore_hints(self, crucible_ids: Collection[int]) -> None:
        self.hinted.append(list(crucible_ids))
        if self.hints_away:
            raise TemporaryError("redis is away")

    def verify(self, crucible_ids: Collection[int], stopping: Callable[[], bool]) -> None:
        self.asked.append(list(crucible_ids))
        self.during()
        self.told_to_stop.append(stopping())
        if 1 in crucible_ids and self.away:
            raise TemporaryError("the first one's neighbour is away")


class World:
    """A site with two crucibles that take votes and one that has finished."""

    def __init__(self, interval: float = 3600.0) -> None:
        self.sweep, self.events = Sweep(), list[str]()
        self.active, self.files = [1, 2], "100 200"
        sweep: Any = self.sweep
        self.rounds = VerificationRounds(
            sweep,
            self.site,
            lambda ids: self.events.append(f"looked at {list(ids)}"),
            interval,
        )

    def site(self) -> VotedCrucibles:
        self.events.append("the site is asked")
        return VotedCrucibles(self.active, [7], self.files)


def test_a_crucible_that_cannot_be_compared_costs_the_others_nothing() -> None:
    """The balance of all is looked at, and the failed ones are tried again without asking PostgreSQL for all."""
    world = World()
    with pytest.raises(TemporaryError):
        world.rounds.turn()
    whole = ["the site is asked", "looked at [1, 2]"]
    assert (world.sweep.asked, world.events) == ([[1, 2]], whole)

    world.sweep.away = False
    wait = world.rounds.turn()
    assert (world.sweep.asked, world.events) == ([[1, 2], [1, 2]], whole)
    assert 3500 < wait <= 3600, "the next round over all comes in its time"
    assert world.sweep.hinted == [[7]]


def test_hints_that_could_not_be_restored_are_seen_to_in_the_next_round() -> None:
    """They are a part of the round over all, which is made again as a whole."""
    world = World()
    world.sweep.away, world.sweep.hints_away = False, True
    with pytest.raises(TemporaryError):
        world.rounds.turn()
    assert (world.sweep.asked, world.events) == ([], ["the site is asked"])

    world.sweep.hints_away = False
    world.rounds.turn()
    assert (world.sweep.hinted, world.sweep.asked) == ([[7], [7]], [[1, 2]])


def test_one_that_somebody_missed_is_compared_at_once() -> None:
    """And alone: the others are as they were a moment ago."""
    world = World()
    world.sweep.away = False
    world.rounds.turn()
    world.rounds.missed([5, 3])
    world.rounds.missed([3])
    world.rounds.signal.wait(3600.0)  # returns, because it is woken
    world.rounds.turn()

    assert world.sweep.asked == [[1, 2], [3, 5]]


def test_a_round_under_way_is_told_to_stop() -> None:
    """However many crucibles are left of it."""
    world = World()
    world.sweep.away = False
    world.rounds.turn()
    world.sweep.during = world.rounds.signal.stop
    world.rounds.missed([9])
    world.rounds.turn()

    assert world.sweep.told_to_stop == [False, True]


def test_rounds_over_all_come_again() -> None:
    """The control: each is a question to the site."""
    world = World(interval=0.0)
    world.sweep.away = False
    waits = [world.rounds.turn() for _ in range(2)]

    assert waits == [0.0, 0.0]
    assert world.events.count("the site is asked") == 2


@pytest.mark.parametrize("crucibles", [(), (1, 2)])
def test_a_site_that_is_away_leaves_what_was_missed(crucibles: tuple[int, ...]) -> None:
    """To the next turn, which asks the site again."""
    world = World()
    world.sweep.away = False
    site = world.site

    def away() -> VotedCrucibles:
        raise TemporaryError("postgres is away")

    world.rounds._site = away
    world.rounds.missed(crucibles)
    with pytest.raises(TemporaryError):
        world.rounds.turn()
    assert world.sweep.asked == []

    world.rounds._site = site
    world.rounds.turn()
    assert world.sweep.asked == [[1, 2]]
    assert world.events[-1] == "looked at [1, 2]"


def test_one_that_the_site_does_not_name_any_more_is_looked_for() -> None:
    """It may be finished, or gone, and then nobody votes on it."""
    world = World(interval=0.0)
    world.sweep.away = False
    world.rounds.turn()
    world.active = [2]
    world.rounds.turn()

    assert world.sweep.looked_for == [[], [1]]
    assert world.sweep.walks == 2
    assert world.sweep.compared == []


def test_one_that_cannot_be_compared_keeps_none_that_is_gone() -> None:
    """Every round fails by it, and looks for those all the same."""
    world = World(interval=0.0)
    for _ in range(2):
        with pytest.raises(TemporaryError):
            world.rounds.turn()

    assert world.sweep.walks == 2


@pytest.mark.parametrize("told", [True, False])
def test_an_emptied_table_has_everything_compared(told: bool) -> None:
    """At once where the stream tells of it, else when the next round finds its rows in another file."""
    world = World(interval=3600.0 if told else 0.0)
    world.sweep.away = False
    world.rounds.turn()
    if told:
        world.rounds.emptied("Crucible")
        world.rounds.signal.wait(3600.0)  # returns, because it is woken
    else:
        world.files = "300 200"
    world.rounds.turn()
    assert (world.sweep.looked_for[1], world.sweep.compared) == ([1, 2, 7, 8], [[1, 2, 7]])

    world.rounds.turn()
    assert len(world.sweep.compared) == 1, "once"


def test_what_could_not_be_doubted_is_doubted_by_the_next_turn() -> None:
    """Redis was away when the stream told of it, which it does once."""
    world = World()
    world.sweep.away, world.sweep.doubts_away = False, True
    world.rounds.emptied("CrucibleEntry")
    with pytest.raises(TemporaryError):
        world.rounds.turn()
    world.sweep.doubts_away = False
    world.rounds.turn()

    assert world.sweep.compared == [[1, 2, 7]]
