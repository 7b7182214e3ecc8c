"""The watcher is killed at every place that a change passes, and each change still counts once."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from tests.acceptance.world import World
from watcher.runtime.failpoint import PLACES

KILLED = 137
COUNT = 400
KINDS = [place for place in PLACES if place != "dead_letters.flushed"]  # that one is told with the bad records


def killed(world: World, place: str) -> list[str]:
    """Killed at its second passage, started again: what is wrong afterwards."""
    world.produce(world.history.work(COUNT))
    doomed = world.start(failpoint=f"{place}:{1 if place == 'idle.acknowledged' else 2}", kafka__group_instance_id="w")
    assert doomed.await_exit() == KILLED
    world.produce(world.history.work(COUNT // 4))
    world.start(kafka__group_instance_id="w")
    world.await_acknowledged()
    return world.verdict()


def killed_in_the_wrong_order(world: World) -> list[str]:
    """The same with a watcher that acknowledges offsets before their rows are written."""
    world.produce(world.history.work(COUNT))
    doomed = world.weakened("order", failpoint="insert.sending:2", kafka__group_instance_id="w")
    assert doomed.await_exit() == KILLED
    world.start(kafka__group_instance_id="w")
    world.await_acknowledged()
    return world.verdict()


@pytest.fixture(scope="module")
def told(tell: Callable[..., Future[list[str]]]) -> dict[str, Future[list[str]]]:
    """All of these stories."""
    return {place: tell(killed, place) for place in KINDS} | {"order": tell(killed_in_the_wrong_order)}


@pytest.mark.parametrize("place", KINDS)
def test_killed_where_a_change_passes(told: dict[str, Future[list[str]]], place: str):
    """Rows, views and ratings are those of a run without a kill."""
    assert told[place].result() == []


def test_killed_after_an_acknowledgement_that_came_too_early(told: dict[str, Future[list[str]]]):
    """The control: acknowledged first and written later, the rows of the kill are lost."""
    assert any("lacks" in finding for finding in told["order"].result())
