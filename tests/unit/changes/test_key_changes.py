"""A changed key is a delete and a create; a create that the connector lost is missed, and one that came is not."""

import pytest

from tests.capture.envelopes import load
from tests.unit.changes.looped import TOPIC, Looped, entered, opened
from watcher.changes.key_changes import PATIENCE_SECONDS
from watcher.model.effects import ReconcileNeeded

LOST = ReconcileNeeded("CrucibleEntry", "key_change")


@pytest.fixture
def world() -> Looped:
    """Three partitions, in which a crucible is."""
    world = Looped(partitions=3)
    world.produce(opened(1))
    world.turns_for(3.0)
    return world


def send(world: Looped, *parts: str, partition: int = 0) -> None:
    """Records of a real key change, with their headers."""
    for part in parts:
        record = load(f"CrucibleEntry.key_change_{part}")
        world.broker.produce(
            TOPIC,
            record.value,
            record.key,
            partition=partition,
            headers=[(name, text.encode()) for name, text in record.headers.items()],
        )


def missed(world: Looped) -> list[str]:
    """Let all the time pass that it takes; return the places of what is missed."""
    world.turns_for(PATIENCE_SECONDS + 5.0)
    world.key_changes.turn()
    world.turns_for(1.0)
    return [found.first for need, found in world.journal.reconcile.items() if need == LOST]


@pytest.mark.parametrize("rest", [(), ("tombstone",)])
@pytest.mark.parametrize("beside", [False, True])
def test_a_create_that_never_comes_is_missed(world: Looped, rest: tuple[str, ...], beside: bool):
    """With its place, whether or not the tombstone came, and whatever other deletes there are."""
    if beside:
        world.produce(entered(7))
        send(world, "tombstone")
    send(world, "delete", *rest)

    assert missed(world) == [f"{TOPIC}[0]@{3 if beside else 1} LSN 0/23A59C0 key 2 to 900"]
    assert world.heard.reconcile == [LOST]
    assert world.metric("crucible_reconcile_needed", table="CrucibleEntry", reason="key_change") == 1


@pytest.mark.parametrize("partition", [0, 2])
def test_a_create_that_comes_is_not(world: Looped, partition: int):
    """Though it comes much later, and in another partition."""
    send(world, "delete", "tombstone")
    world.turns_for(PATIENCE_SECONDS / 2)
    send(world, "create", partition=partition)

    assert missed(world) == []


def test_a_create_that_came_before_its_delete_is_found_in_clickhouse(world: Looped):
    """Another partition was read first, or another process has it."""
    send(world, "create", partition=1)
    world.turns_for(5.0)
    send(world, "delete", "tombstone")

    assert missed(world) == []


def test_a_create_is_not_missed_before_all_partitions_were_read(world: Looped, monkeypatch: pytest.MonkeyPatch):
    """It waits in one that is read later."""
    monkeypatch.setattr(world.source, "at_end", lambda partition: partition != (TOPIC, 2))
    send(world, "delete", "tombstone")
    assert missed(world) == []
    monkeypatch.undo()

    assert len(missed(world)) == 1


def test_an_ordinary_delete_awaits_nothing(world: Looped):
    """It announces no other key."""
    record = load("CrucibleEntry.delete")
    world.broker.produce(TOPIC, record.value, record.key, headers=[(n, t.encode()) for n, t in record.headers.items()])

    assert missed(world) == []
