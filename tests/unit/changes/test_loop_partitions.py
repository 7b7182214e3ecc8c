"""Partitions come, go and come back: what was taken of each is counted once, whoever owns it."""

import json

import pytest

from tests.change_events import change, value
from tests.unit.changes.looped import FIRST, TOPIC, Looped, entered, opened
from watcher.model.change import Operation, Position
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import (
    OffsetGoneError,
    OffsetLostError,
    TemporaryError,
    TopicReplacedError,
)


def test_a_revoked_partition_is_left_clean() -> None:
    """What is being written is awaited, and acknowledged, as long as the group waits for it."""
    world = Looped(partitions=2)
    world.produce(opened())
    world.turns_for(3.0)
    world.produce(entered(1), partition=1)
    world.writer.at_once = False
    world.turns_for(1.0)
    world.steps.clear()
    world.source.take_away([(TOPIC, 1)])
    world.clock.after(0.01, world.writer.work)

    world.turns(1)

    assert world.steps == ["written 0-1", "commit 1-1"]
    assert list(world.loop._lanes) == [(TOPIC, 0)]


def test_the_group_does_not_wait_longer_than_a_third_of_a_lease() -> None:
    """A partition whose plan is not written by then goes with the plan open."""
    world = Looped()
    world.produce(opened(), entered(1))
    world.writer.at_once = False
    world.turns_for(1.0)
    world.steps.clear()
    world.source.take_away([FIRST])
    began = world.clock.now()

    world.turns(1)

    assert 10.0 <= world.clock.now() - began < 11.0
    assert world.steps == []
    assert world.committed() == (0, '{"plan":1,"topic":"id-1","end":2}')


def test_of_a_lost_partition_nothing_is_committed_or_written(world: Looped) -> None:
    """It is somebody else's already; what was to be written of it is theirs to finish."""
    world.produce(entered(1))
    world.writer.at_once = False
    world.turns_for(1.0)
    world.produce(entered(2))
    world.turns(1)
    world.steps.clear()
    world.source.take_away([FIRST], lost=True)
    world.broker.holders[FIRST] = type(world.source).__new__(type(world.source))

    world.turns(1)
    world.writer.work()
    world.turns_for(40.0)

    assert world.steps == []
    assert world.keys() == []
    assert world.metric("crucible_events_ignored_total", table="CrucibleEntry", reason="given_up") == 2


def test_what_was_written_as_the_partition_was_lost_is_the_next_owners_to_count(world: Looped) -> None:
    """The rows are there and are found there; this process says that it gave the changes up."""
    world.writer.at_once = False
    world.produce(entered(1))
    world.turns_for(1.0)
    world.writer.work()
    world.source.take_away([FIRST], lost=True)

    world.turns(1)

    assert world.keys() == [1]
    assert world.metric("crucible_events_ignored_total", table="CrucibleEntry", reason="given_up") == 1
    assert world.metric("crucible_events_applied_total", table="CrucibleEntry", op="c") == 0


def test_a_partition_that_comes_back_goes_on_where_it_was(world: Looped) -> None:
    """Nothing is lost and nothing doubled by going and coming."""
    world.produce(entered(1))
    world.turns(1)
    world.source.take_away([FIRST])
    world.turns(1)
    world.produce(entered(2))

    world.turns_for(3.0)

    assert world.keys() == [1, 2]
    assert len(world.rows.rows) == 1 + 2 * 2


def test_a_broker_that_is_away_when_partitions_come_is_asked_again() -> None:
    """A start waits for it."""
    world = Looped()
    world.produce(opened(), entered(1))
    answers = iter([TemporaryError("kafka: no answer")] * 3)
    committed = world.source.committed

    def first_nothing(partitions: list[tuple[str, int]]) -> object:
        for error in answers:
            raise error
        return committed(partitions)

    world.source.committed = first_nothing  # type: ignore[method-assign, assignment]

    world.turns_for(3.0)

    assert world.keys() == [1]
    assert world.metric("crucible_sink_errors_total", sink="kafka") == 3


def test_an_offset_that_is_gone_says_which_group_has_lost_it(world: Looped) -> None:
    """With the command that helps."""

    def lost(*_: object) -> object:
        raise OffsetLostError(Position(TOPIC, 0, 7))

    world.source.poll = lost  # type: ignore[method-assign, assignment]

    with pytest.raises(OffsetGoneError, match=r"group g has read .* offset 7 is gone.*crucible offsets reset"):
        world.turns(1)


def test_a_topic_that_was_made_anew_is_noticed(world: Looped) -> None:
    """Within seconds, without waiting for a record."""
    world.broker.create_topic(TOPIC)

    with pytest.raises(TopicReplacedError):
        world.turns_for(6.0)


def test_metadata_is_what_the_next_owner_reads(world: Looped) -> None:
    """The plan's end and the topic's id, beside the offset that is acknowledged."""
    world.writer.at_once = False
    world.produce(entered(1))
    world.turns_for(1.0)

    offset, metadata = world.committed()
    assert (offset, json.loads(metadata or "")) == (1, {"plan": 1, "topic": "id-1", "end": 2})


def test_what_is_delivered_again_is_counted_as_repeated(world: Looped) -> None:
    """In a later plan too, where ClickHouse and not the batch recognises it."""
    world.produce(opened(), entered(1), entered(2))
    world.turns_for(3.0)
    before = world.metric("crucible_identities_repeated_total", table="CrucibleEntry")
    world.produce(entered(1), entered(2), entered(3))
    world.turns_for(3.0)

    assert before == 0
    assert world.metric("crucible_identities_repeated_total", table="CrucibleEntry") == 2
    world.produce(entered(4), entered(4))
    world.turns_for(3.0)
    assert world.metric("crucible_identities_repeated_total", table="CrucibleEntry") == 3, "and in one batch"


def test_a_refused_change_leaves_a_need_of_comparison_with_its_places(world: Looped) -> None:
    """One for its table, however many letters, from the first of them to the last."""
    at = world.broker.end((TOPIC, 0))
    for number in (1, 2):
        world.produce(value(change(Operation.DELETE, before=None)), entered(number))
    world.turns_for(1.0)

    (found,) = [(need, world.journal.reconcile[need]) for need in world.journal.reconcile]
    assert found[0] == ReconcileNeeded("CrucibleEntry", "dead_letter")
    assert found[1].first.startswith(f"{TOPIC}[0]@{at} ")
    assert found[1].last.startswith(f"{TOPIC}[0]@{at + 2} ")
    assert found[1].times == 2
    assert world.heard.reconcile == [ReconcileNeeded("CrucibleEntry", "dead_letter")]
    assert world.metric("crucible_reconcile_needed", table="CrucibleEntry", reason="dead_letter") == 1
