"""The watcher is killed at every place that a change passes, and each change still counts once."""

import pytest

from tests.acceptance.world import World
from watcher.engine.failpoint import PLACES

KILLED = 137
COUNT = 400


@pytest.mark.parametrize("place", [place for place in PLACES if place != "dead_letters.flushed"])
def test_killed_where_a_change_passes(world: World, place: str):
    """Killed at its second passage, started again: rows, views and ratings are those of a run without a kill."""
    world.produce(world.history.work(COUNT))
    doomed = world.start(failpoint=f"{place}:{1 if place == 'idle.acknowledged' else 2}", kafka__group_instance_id="w")

    assert doomed.await_exit() == KILLED

    world.produce(world.history.work(COUNT // 4))
    world.start(kafka__group_instance_id="w")
    world.await_acknowledged()

    assert world.verdict() == []
