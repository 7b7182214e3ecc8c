"""The loop's turn: what it does in which order, when it presses back, and what it does with refused records."""

import pytest

from tests.change_events import change, entry, value
from tests.unit.changes.looped import Looped, entered, opened, positions
from watcher.model.change import Operation
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import DeadLetterLimitError

BROKEN = b"{broken"


# -- one turn -------------------------------------------------------------------------------------------------


def test_a_turn_shows_then_sends_letters_then_names_then_writes(world: Looped) -> None:
    """And acknowledges last, when nothing came for a while: nothing is acknowledged before every sink has it."""
    world.produce(entered(1), BROKEN, entered(2))

    world.turns_for(3.0)

    assert world.steps == ["shown", "letters", "commit 1-4", "written 1-4", "commit 4-4"]


def test_a_plan_is_named_when_it_is_due(world: Looped) -> None:
    """Not before ``flush_interval``; what came until then is one plan."""
    world.produce(entered(1))
    world.turns_for(0.4)
    world.produce(entered(2))
    world.turns(1)
    assert world.steps == ["shown", "shown"]

    world.turns_for(0.2)

    assert world.steps == ["shown", "shown", "commit 1-3", "written 1-3"]


def test_a_plan_is_named_at_once_when_it_is_full() -> None:
    """``max_rows`` does not wait for the interval."""
    world = Looped(max_rows=4)
    world.produce(opened(), *map(entered, range(1, 4)))

    world.turns(2)

    assert world.steps == ["shown", "commit 0-4", "written 0-4"]


def test_nothing_is_committed_while_nothing_comes(world: Looped) -> None:
    """A minute without a record is a minute without a commit."""
    world.turns_for(60.0)

    assert world.steps == []


def test_partitions_are_named_together() -> None:
    """One whose interval is not over comes along with one whose is, and so does what is only to be acknowledged."""
    world = Looped(partitions=3)
    world.produce(opened())
    world.turns_for(3.0)
    world.produce(None)
    world.turns(1)
    world.steps.clear()
    world.produce(entered(1), partition=1)
    world.turns_for(0.3)
    world.produce(entered(2), partition=2)
    world.produce(None)
    world.turns_for(0.22)

    assert world.steps[:3] == ["shown", "shown", "commit 0-1 0-1 3-3"]


def test_a_full_partition_takes_no_other_along() -> None:
    """Catching up, the busiest partition is full all the time; the others keep to their interval."""
    world = Looped(partitions=2, max_rows=4)
    world.produce(opened())
    world.turns_for(3.0)
    world.steps.clear()
    world.produce(entered(1), partition=1)
    world.produce(entered(2), entered(3))
    world.turns(1)

    assert world.steps == ["shown", "commit 1-3"]


def test_the_loop_waits_while_nothing_is_due(world: Looped) -> None:
    """It turns twice a second, so that an end is noticed; with rows waiting it wakes up when they are due."""
    before = world.heard.turns
    world.turns_for(60.0)
    idle = world.heard.turns - before
    world.produce(entered(1))
    world.turns_for(0.55)
    busy = world.heard.turns - before - idle

    assert idle == 120
    assert busy < 6
    assert world.steps == ["shown", "commit 1-2", "written 1-2"]


def test_records_that_leave_no_rows_are_acknowledged_in_one_commit(world: Looped) -> None:
    """Tombstones and the like need no plan."""
    world.produce(None, None, None)

    world.turns_for(3.0)

    assert world.steps == ["commit 4-4"]


def test_observers_hear_what_concerns_them(world: Looped) -> None:
    """Each that is in the list, of states, of crucibles that nobody holds, and once of a need of comparison."""
    world.heard.shown.clear()
    read = value(change(Operation.READ, after=entry(id=7)))
    world.produce(entered(1), entered(2, crucible_id=43), read, read)

    world.turns_for(1.0)

    assert [sorted(states) for states in world.heard.shown] == [[42, 43]]
    assert world.heard.absent == [frozenset({43})]
    assert world.heard.reconcile == [ReconcileNeeded("CrucibleEntry", "snapshot")]
    assert world.heard.turns > 10


def test_observers_hear_each_time_that_a_table_is_emptied(world: Looped) -> None:
    """Also when it is known already that its counts need a comparison."""
    for _ in range(2):
        world.produce(value(change(Operation.TRUNCATE)))
        world.turns_for(1.0)

    assert world.heard.emptied == ["CrucibleEntry", "CrucibleEntry"]
    assert world.heard.reconcile == [ReconcileNeeded("CrucibleEntry", "truncate")]


def test_a_poll_that_is_cut_by_a_plan_keeps_its_order() -> None:
    """A plan that is read again ends in the middle of a poll; the rest is taken after it was handed over."""
    world = Looped()
    world.produce(opened(), entered(1), entered(2), entered(3))
    world.writer.at_once = False
    world.turns_for(0.6)
    world.crash()
    world.produce(entered(4), entered(5))

    world.steps.clear()
    world.start()
    world.turns_for(1.0)

    kept = [step for step in world.steps if "written" in step or step == "recovered"]
    assert kept == ["written 0-4", "recovered", "written 4-6"]
    assert world.keys() == [1, 2, 3, 4, 5]


# -- pressing back --------------------------------------------------------------------------------------------


def test_reading_pauses_while_too_much_waits_and_goes_on_at_half() -> None:
    """With ClickHouse away, rows wait in memory up to ``max_pending_rows``, and Redis is current up to there."""
    world = Looped(max_rows=20, max_pending_rows=20, poll_records=5)
    world.rows.away = True
    world.produce(opened(), *map(entered, range(1, 50)))
    world.turns_for(3.0)

    paused, shown = world.source.paused, len(world.states.living)
    assert paused == 1
    assert 10 < shown < 20

    world.rows.away = False
    world.writer.work()
    world.turns_for(5.0)

    assert world.source.paused == 0
    assert world.keys() == list(range(1, 50))


# -- refused records ------------------------------------------------------------------------------------------


def test_letters_are_durable_before_anything_is_acknowledged(world: Looped) -> None:
    """While the dead-letter topic is away nothing is named; each letter is sent once."""
    world.letters.away = True
    world.produce(entered(1), BROKEN)
    world.clock.after(9.9, lambda: world.steps.append("back"))
    world.clock.after(10.0, lambda: setattr(world.letters, "away", False))

    world.turns(1)

    assert world.steps == ["shown", "back", "letters", "commit 1-3"]
    assert positions(world.letters.durable) == [2]


def test_too_many_letters_stop_the_loop_with_nothing_acknowledged(world: Looped) -> None:
    """Those that the limit allows are sent; all are read again by whoever starts next."""
    world.produce(*[BROKEN] * 5)

    with pytest.raises(DeadLetterLimitError):
        world.turns(1)

    assert positions(world.letters.durable) == [1, 2, 3]
    assert world.steps == ["letters"]
