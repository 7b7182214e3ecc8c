"""The end of the loop: everything that was taken is written and acknowledged, or left whole for the next one."""

import pytest

from tests.unit.changes.looped import Looped, entered, opened
from watcher.model.errors import TemporaryError


def test_the_end_writes_and_acknowledges_everything_that_was_taken(world: Looped) -> None:
    """Without waiting for an interval, and the partition is given back."""
    world.produce(entered(1))

    world.run(stop_after=0.1)

    assert world.steps == ["shown", "commit 1-2", "written 1-2", "commit 2-2"]
    assert world.broker.holders == {}


def test_the_end_comes_by_its_deadline() -> None:
    """ClickHouse stays away: the plan stays open in Kafka, and the process ends when it said it would."""
    world = Looped()
    world.rows.away = True
    world.produce(opened(), entered(1))
    began = world.clock.now()

    world.run(stop_after=1.0)

    assert 21.0 <= world.clock.now() - began < 23.0
    assert world.committed() == (0, '{"plan":1,"topic":"id-1","end":2}')


def test_what_the_end_left_the_next_one_finishes() -> None:
    """Exactly the plan that was named, and then what comes after it."""
    world = Looped()
    world.rows.away = True
    world.produce(opened(), entered(1))
    world.run(stop_after=1.0)
    world.rows.away = False
    world.produce(entered(2))

    world.steps.clear()
    world.start()
    world.turns_for(3.0)

    assert [step for step in world.steps if "written" in step] == ["written 0-2", "written 2-3"]
    assert world.keys() == [1, 2]


def test_a_sink_that_is_away_at_the_end_does_not_hold_it_up(world: Looped) -> None:
    """Redis stays away: by the deadline the process ends and says so; nothing was acknowledged that Redis lacks."""
    world.states.away = True
    world.produce(entered(1))
    began = world.clock.now()

    with pytest.raises(TemporaryError, match="redis"):
        world.run(stop_after=1.0)

    assert 21.0 <= world.clock.now() - began < 23.0
    assert world.committed()[0] == 1
