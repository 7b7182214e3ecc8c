"""The loop: in which order a turn does what, and what it does while a neighbour is away."""

import json
from datetime import UTC, datetime

import pytest

from tests.change_events import change, entry, value
from tests.unit.changes.looped import AVRO, FIRST, TOPIC, ForgetfulCheck, Looped, entered, opened, positions
from watcher.changes.writer import JobResult
from watcher.model.change import Operation, Position
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import (
    DeadLetterLimitError,
    HistoryChangedError,
    OffsetGoneError,
    OffsetLostError,
    StopError,
    TemporaryError,
    TopicReplacedError,
)
from watcher.model.table_pause import TablePause

OTHER = "postgres.Crucible"
BROKEN = b"{broken"


@pytest.fixture
def world() -> Looped:
    looped = Looped()
    looped.produce(opened())
    looped.turns_for(3.0)
    looped.steps.clear()
    return looped


# -- one turn ---------------------------------------------------------------------------------------------------------


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
    """It turns a few times a second, so that an end is noticed; with rows waiting it wakes up when they are due."""
    before = world.heard.turns
    world.turns_for(60.0)
    idle = world.heard.turns - before
    world.produce(entered(1))
    world.turns_for(0.55)
    busy = world.heard.turns - before - idle

    assert 290 < idle < 310
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


# -- pressing back ----------------------------------------------------------------------------------------------------


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


# -- a table that a person has paused ---------------------------------------------------------------------------------


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


# -- leases -----------------------------------------------------------------------------------------------------------


def test_the_lease_of_an_open_plan_is_renewed(world: Looped) -> None:
    """ClickHouse is away for long: the plan's commit is made again each third of its lease, and names nothing new."""
    world.rows.away = True
    world.produce(entered(1))
    world.turns_for(100.0)

    assert 9 <= len(world.steps) - 1 <= 10
    assert world.steps == ["shown", *["commit 1-2"] * (len(world.steps) - 1)]

    world.rows.away = False
    world.writer.work()
    world.turns_for(2.0)

    assert world.steps[-2:] == ["written 1-2", "commit 2-2"]


def test_a_lease_that_is_not_renewed_runs_out(world: Looped) -> None:
    """While Kafka takes no commit, nothing may be sent; afterwards it may."""
    world.writer.at_once = False
    world.produce(entered(1))
    world.turns_for(1.0)
    world.broker.refuses_commits = "rebalance in progress"
    world.turns_for(31.0)
    world.writer.work()
    assert (len(world.rows.plans), len(world.writer.jobs)) == (1, 1)

    world.broker.refuses_commits = ""
    world.turns(1)
    world.writer.work()

    assert world.keys() == [1]


def test_leases_are_renewed_while_redis_is_away(world: Looped) -> None:
    """The loop is held up at another step, and the plan that is being written stays ours."""
    world.writer.at_once = False
    world.produce(entered(1))
    world.turns_for(1.0)
    world.produce(entered(2))
    world.states.away = True
    world.clock.after(100.0, lambda: setattr(world.states, "away", False))
    world.steps.clear()

    world.turns(1)

    assert world.clock.meanwhile == []
    assert 9 <= world.steps.count("commit 1-2") <= 10
    assert set(world.steps) == {"commit 1-2", "shown"}


# -- the end ----------------------------------------------------------------------------------------------------------


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


# -- a neighbour is away ----------------------------------------------------------------------------------------------


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


# -- refused records --------------------------------------------------------------------------------------------------


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


# -- partitions come and go -------------------------------------------------------------------------------------------


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
