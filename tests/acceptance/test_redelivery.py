"""Changes that come again, in all the ways in which they do, count once."""

from collections.abc import Callable

import pytest
from confluent_kafka import Message

from tests.acceptance.daemon import Daemon
from tests.acceptance.history import Change
from tests.acceptance.world import World
from tests.awaiting import await_that

COUNT = 300
OTHER_BATCHES = {"batch__poll_records": "170", "batch__max_rows": "1000"}
"""Settings that cut the same records into other plans, so that no name of an insert is the same as before."""


def follow(world: World, **environ: str) -> Daemon:
    """Run a watcher until everything is acknowledged, and stop it."""
    daemon = world.start(**environ)
    world.await_acknowledged(60, daemon)
    return daemon


def leave(daemon: Daemon) -> None:
    """Stop a watcher as an operator does."""
    assert daemon.terminate() == 0


def reset_as_told(world: World, stopped: Daemon) -> None:
    """See a watcher end with the command that helps, and run it as it stands there."""
    assert stopped.await_exit() == 1
    command = f"crucible offsets reset --topic {world.topic} --to earliest"
    assert command in stopped.text()
    done = world.crucible(*command.split()[1:], "--yes")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def counted(world: World) -> World:
    """A stream that was counted by a watcher that has stopped."""
    world.produce(world.history.work(COUNT))
    leave(follow(world))
    return world


def test_offsets_set_back_count_nothing_twice(counted: World):
    """Set back by any tool into the middle of a batch, or to the start: what was counted is recognised."""
    for offset in (133, 0):
        counted.move_group(offset)
        again = follow(counted, **OTHER_BATCHES)

        assert again.metric("crucible_events_consumed_total") == COUNT - offset
        repeated = again.metric("crucible_plans_total", outcome="repeated")
        assert 0 < repeated <= again.metric("crucible_identities_repeated_total")
        assert counted.verdict() == []
        leave(again)


def test_offsets_set_back_without_asking_count_twice(counted: World):
    """The control: a watcher that does not ask what is there counts it again."""
    counted.move_group(0)
    daemon = counted.weakened("asking", **OTHER_BATCHES)
    counted.await_acknowledged(60, daemon)

    assert any("too many" in finding for finding in counted.verdict())


def test_offsets_reset_by_our_own_command(counted: World):
    """The command that our messages name does what they say."""
    done = counted.crucible("offsets", "reset", "--topic", counted.topic, "--to", "earliest", "--yes")
    assert done.returncode == 0, done.stderr
    counted.produce(counted.history.work(COUNT))
    again = follow(counted)

    assert again.metric("crucible_events_consumed_total") == 2 * COUNT
    assert counted.verdict() == []


def test_a_deleted_group_stops_the_watcher_until_told(counted: World):
    """A group that has read before and lost its place names the command; after the command each change counts once."""
    counted.delete_group()
    stopped = counted.start()

    reset_as_told(counted, stopped)
    again = follow(counted)
    assert again.metric("crucible_events_consumed_total") == COUNT
    assert counted.verdict() == []


def test_a_topic_that_grows_while_changes_come_again(make_world: Callable[..., World]):
    """With more partitions a re-sent change comes by another one; it is recognised there as well."""
    world = make_world(2)
    world.produce(world.history.work(COUNT))
    daemon = world.start()
    world.await_acknowledged(60, daemon)
    world.grow_topic(3)
    world.produce(world.history.changes)
    world.produce(world.history.work(COUNT))
    world.await_acknowledged(60, daemon)

    assert daemon.metric("crucible_events_consumed_total") == 3 * COUNT
    assert world.verdict() == []


def test_a_topic_made_anew_stops_the_watcher_until_told(counted: World):
    """A topic of the same name with everything sent again: the watcher names the command, then counts once."""
    counted.delete_topic()
    counted.make_topic()
    counted.produce([*counted.history.work(COUNT), *counted.history.changes[:COUNT]])
    stopped = counted.start()

    reset_as_told(counted, stopped)
    follow(counted)
    assert counted.verdict() == []


def test_a_topic_made_anew_under_a_running_watcher(world: World):
    """Nobody told the watcher; it must not go on at its old offset in the new topic, where other records lie."""
    world.produce(world.history.work(COUNT))
    daemon = world.start()
    world.await_acknowledged(60, daemon)
    world.delete_topic()
    world.make_topic()
    world.produce([*world.history.work(COUNT), *world.history.changes[:COUNT]])

    assert daemon.await_exit() == 1
    command = f"crucible offsets reset --topic {world.topic} --to earliest"
    assert command in daemon.text()

    done = world.crucible(*command.split()[1:], "--yes")
    assert done.returncode == 0, done.stderr
    follow(world)
    assert world.verdict() == []


def three_times(world: World) -> list[Change]:
    """Each of the changes three times in a row, and among them a COPY."""
    changes = [*world.history.work(20), *world.history.copy(2), *world.history.work(20)]
    return [change for change in changes for _ in range(3)]


def test_three_times_in_a_row_counts_once(world: World):
    """Re-sent as the very next record, a change counts once; two rows of a COPY, alike but for the key, count two."""
    world.produce(three_times(world))
    daemon = follow(world)

    assert daemon.metric("crucible_identities_repeated_total") > 0
    assert world.verdict() == []


def test_three_times_in_a_row_counts_thrice_without_a_search_of_the_batch(world: World):
    """The control: asking ClickHouse does not help against repeats inside one batch."""
    world.produce(three_times(world))
    daemon = world.weakened("batch")
    world.await_acknowledged(60, daemon)

    assert any("too many" in finding for finding in world.verdict())


def test_old_changes_that_come_alone_overwrite_nothing(counted: World):
    """Early changes come again without the later ones: Redis shows the latest; without its marks the dead rise."""
    counted.produce(counted.history.changes[: COUNT // 3])
    leave(follow(counted))
    assert counted.verdict() == []

    counted.produce(counted.history.changes[: COUNT // 3])
    counted.await_acknowledged(60, counted.weakened("marks"))
    assert [finding.split()[0] for finding in counted.verdict()][:1] == ["redis"]


def test_a_dead_letter_produced_again_counts_once(world: World):
    """Mended and produced again, twice, to the stream: the change counts once, its letter stays one."""
    changes = world.history.work(30)
    mended = changes[10]
    world.produce(changes[:10])
    world.produce_value(mended.value[:-40], mended.key)
    world.produce(changes[11:])
    daemon = follow(world)
    (letter,) = letters(world)
    assert letter.value() == mended.value[:-40]

    world.produce([mended, mended])
    world.produce(world.history.work(10))
    world.produce([mended])
    world.await_acknowledged(60, daemon)

    assert world.verdict() == []
    assert len(letters(world)) == 1


def letters(world: World) -> list[Message]:
    """What lies in the dead-letter topic, once something does."""
    await_that(lambda: bool(world.letters()), "a dead letter")
    return world.letters()


def test_a_plan_whose_last_record_is_gone_is_finished(world: World):
    """An aborted transaction leaves offsets that nobody gets; a plan that ends there is done when they are passed."""
    first, second = world.history.work(20), world.history.work(20)
    world.produce(first)
    world.abort([first[0]])
    world.produce(second)
    world.commit_plan(0, len(first) + 1)
    daemon = world.start()
    world.await_acknowledged(60, daemon)

    assert next(event["plan"].rsplit("/", 2)[1:] for event in daemon.events("plan.written")) == ["0", "21"]
    assert world.verdict() == []
