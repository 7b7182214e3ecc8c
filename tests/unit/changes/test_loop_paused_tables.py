"""A table that a person has paused waits, and everything else flows."""

from datetime import UTC, datetime

from tests.unit.changes.looped import FIRST, TOPIC, Looped, entered, opened
from watcher.model.table_pause import TablePause

OTHER = "postgres.Crucible"


def pause(world: Looped, *tables: str) -> None:
    """Have the journal find these tables paused when it looks."""
    world.store.paused = {
        table: TablePause(datetime(2026, 1, 31, tzinfo=UTC), "ann@site", "a move") for table in tables
    }
    world.journal.turn()


def test_a_paused_table_waits_while_others_flow_and_goes_on_from_there() -> None:
    """Its changes count once, whether its partition went elsewhere meanwhile, or the process was started anew."""
    world = Looped(partitions=2)
    world.loop.subscribe([TOPIC, OTHER])
    world.broker.create_topic(OTHER)
    world.produce(*map(entered, range(1, 4)))
    world.turns_for(3.0)
    pause(world, "CrucibleEntry")
    world.turns(2)
    world.produce(*map(entered, range(4, 7)))
    world.produce(*map(entered, range(7, 9)), partition=1)
    world.broker.produce(OTHER, opened(43, lsn=2), b"key")
    world.turns_for(3.0)
    assert (world.keys(), any(at[0] == 43 for at in world.states.marks)) == ([1, 2, 3], True)
    assert world.metric("crucible_stream_state", table="CrucibleEntry", state="paused") == 1
    assert world.metric("crucible_stream_state", table="Crucible", state="live") == 1
    assert world.metric("crucible_table_paused_since_timestamp_seconds", table="CrucibleEntry") == 1_769_817_600
    assert world.metric("crucible_paused_partitions") == 0

    world.source.take_away([FIRST])
    world.turns_for(2.0)
    world.crash()
    world.start()
    world.loop.subscribe([TOPIC, OTHER])
    world.turns_for(3.0)
    assert world.keys() == [1, 2, 3]

    pause(world)
    world.turns_for(3.0)

    assert sorted(world.keys()) == list(range(1, 9))
    assert world.metric("crucible_stream_state", table="CrucibleEntry", state="live") == 1
    assert world.metric("crucible_table_paused_since_timestamp_seconds", table="CrucibleEntry") == 0


def test_a_plan_that_was_open_when_its_table_was_paused_is_finished_afterwards() -> None:
    """Who takes over reads its records again, and may have to wait for that; nothing is written twice."""
    world = Looped()
    world.rows.away = True
    world.produce(*map(entered, range(1, 4)))
    world.turns_for(1.0)
    world.crash()
    world.store.paused = {"CrucibleEntry": TablePause(datetime(2026, 1, 31, tzinfo=UTC), "ann@site")}
    world.start()
    world.rows.away = False
    world.turns_for(30.0)
    assert (world.keys(), world.loop._plans.open) == ([], 1)

    pause(world)
    world.turns_for(3.0)

    assert (world.keys(), world.loop._plans.open) == ([1, 2, 3], 0)
