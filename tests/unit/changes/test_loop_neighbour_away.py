"""What the loop does while a neighbour is away: it waits where it must, and goes on where it can."""

import pytest

from tests.unit.changes.looped import AVRO, FIRST, ForgetfulCheck, Looped, entered, opened, positions
from watcher.changes.writer import JobResult
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import (
    HistoryChangedError,
    StopError,
    TemporaryError,
)

BROKEN = b"{broken"


def test_while_redis_is_away_nothing_overtakes(world: Looped) -> None:
    """Nothing is named or acknowledged; the group keeps us, for polling goes on; then all is as if nothing had been."""
    world.states.away = True
    world.produce(entered(1))
    turns = world.heard.turns
    world.clock.after(1.0, lambda: world.produce(entered(2), BROKEN))
    world.clock.after(59.9, lambda: world.steps.append(f"back, paused {world.source.paused}"))
    world.clock.after(60.0, lambda: setattr(world.states, "away", False))

    world.turns_for(63.0)

    assert world.steps == [
        "back, paused 1", "shown", "commit 1-2", "shown", "letters", "written 1-2", "commit 2-4", "written 2-4",
        "commit 4-4",
    ]  # fmt: skip
    assert world.heard.turns - turns > 200
    assert world.metric("crucible_sink_errors_total", sink="redis") > 200


def test_nothing_is_acknowledged_before_a_check_of_the_stream_has_noted_it(world: Looped) -> None:
    """While its memory is away it is told of the same records again and again; then what it misses is noted."""
    world.crash()
    world.check = check = ForgetfulCheck()
    world.start()
    world.produce(entered(1))
    check.away = True
    world.clock.after(59.9, lambda: world.steps.append("back"))
    world.clock.after(60.0, lambda: setattr(check, "away", False))

    world.turns_for(63.0)

    assert world.steps == ["shown", "back", "commit 1-2", "written 1-2", "commit 2-2"]
    assert len(check.told) > 200
    assert set(check.told) == {1}
    assert world.heard.reconcile == [ReconcileNeeded("CrucibleEntry", "cut_off")]


def test_a_poll_made_meanwhile_waits_its_turn(world: Looped) -> None:
    """A client may deliver although it was paused; those records are taken after the ones that are held up."""
    world.source.pause = lambda: None  # type: ignore[method-assign]
    world.states.away = True
    world.produce(entered(1))
    world.clock.after(0.1, lambda: world.produce(entered(2)))
    world.clock.after(0.6, lambda: world.produce(entered(3)))
    world.clock.after(5.0, lambda: setattr(world.states, "away", False))

    world.turns(3)

    shown = [sorted(entry for _, entry, _ in states[42].entry_states()) for states in world.states.calls[-3:]]
    assert shown == [[1], [2], [3]]


def test_while_clickhouse_is_away_redis_goes_on(world: Looped) -> None:
    """Its rows wait, their plan is written when it answers."""
    world.rows.away = True
    world.produce(entered(1))
    world.turns_for(1.0)
    world.produce(entered(2))
    world.turns_for(1.0)

    assert world.states.living == {(42, 1), (42, 2)}
    assert world.keys() == []

    world.rows.away = False
    world.writer.work()
    world.turns_for(3.0)
    assert world.keys() == [1, 2]


def test_nothing_is_sent_under_a_commit_that_was_refused(world: Looped) -> None:
    """The plan is named again, with what came meanwhile."""
    world.broker.refuses_commits = "rebalance in progress"
    world.produce(entered(1))
    world.turns_for(2.0)
    world.produce(entered(2))
    world.turns_for(2.0)
    assert (world.steps, world.keys()) == (["shown", "shown"], [])
    assert world.metric("crucible_offset_commit_errors_total") > 1

    world.broker.refuses_commits = ""
    world.turns(2)

    assert world.steps[2:] == ["commit 1-3", "written 1-3"]


def test_kafka_that_is_away_is_waited_for(world: Looped) -> None:
    """Nothing comes and nothing is committed; what was gathered is named when it is back."""
    world.produce(entered(1))
    world.turns(1)
    world.broker.away = True
    world.turns_for(10.0)
    assert world.steps == ["shown"]

    world.broker.away = False
    world.turns_for(3.0)
    assert world.steps[1:] == ["commit 1-2", "written 1-2", "commit 2-2"]


def test_a_record_waits_for_the_schema_registry_and_those_behind_it(world: Looped) -> None:
    """What came before it goes its way; nothing is taken twice."""
    world.schemas.away = True
    world.produce(entered(1), AVRO, entered(2))
    world.clock.after(10.0, lambda: setattr(world.schemas, "away", False))

    world.turns(1)

    shown = [sorted(entry for _, entry, _ in states[42].entry_states()) for states in world.states.calls[-2:]]
    assert shown == [[1], [2]]
    assert positions(world.letters.durable) == [2]
    assert world.metric("crucible_sink_errors_total", sink="registry") > 30


def test_postgres_that_is_away_holds_up_nothing() -> None:
    """Markers wait in memory; they are written down once it answers."""
    world = Looped()
    world.store.away = True
    world.produce(opened(), entered(1))
    world.turns_for(3.0)

    with pytest.raises(TemporaryError):
        world.journal.turn()
    assert (world.keys(), world.store.partitions) == ([1], {})

    world.store.away = False
    world.journal.turn()
    assert world.store.partitions == {FIRST: "id-1"}


def test_a_history_that_changed_stops_the_loop(world: Looped) -> None:
    """The journal's worker finds it; the loop raises it at its next turn."""
    world.journal.failure = HistoryChangedError("log positions may have fallen")

    with pytest.raises(HistoryChangedError):
        world.turns(1)


def test_a_job_that_fails_for_good_stops_the_loop(world: Looped) -> None:
    """The writer's error is the loop's, and nothing more is named."""
    world.produce(entered(1))
    world.writer.at_once = False
    world.turns_for(1.0)
    job = world.writer.jobs.popleft()
    world.writer.done.append(JobResult(job, None, StopError("views disagree")))

    with pytest.raises(StopError, match="views disagree"):
        world.turns(1)
