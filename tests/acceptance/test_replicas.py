"""Several watchers of one group, joining and leaving while the stream runs."""

import re
from collections.abc import Callable

import pytest

from tests.acceptance.daemon import Daemon
from tests.acceptance.world import World
from tests.awaiting import await_that

PARTITIONS = 4
COUNT = 300


@pytest.fixture
def wide(make_world: Callable[..., World]) -> World:
    """A corner with several partitions."""
    return make_world(PARTITIONS)


def holds(daemon: Daemon) -> int:
    """Partitions that it says it reads."""
    return int(daemon.metric("crucible_consumer_assigned"))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_watchers_come_and_go(wide: World, protocol: str):
    """A second joins, the first is stopped, a third joins, the second is stopped, in the middle of the stream."""
    settings = {"kafka__group_protocol": protocol}
    if protocol == "consumer":
        settings["kafka__session_timeout"] = "45"  # the broker's
    running = [wide.start(**settings)]
    wide.produce(wide.history.work(COUNT))
    await_that(lambda: wide.rows() > 0, "the first rows", told=running[0].last_words)
    for _ in range(2):
        running.append(wide.start(**settings))
        wide.produce(wide.history.work(COUNT))
        await_that(
            lambda: [holds(one) for one in running] == [PARTITIONS // 2] * 2, "both to hold half", 60,
            running[-1].last_words,
        )  # fmt: skip
        wide.produce(wide.history.work(COUNT))
        assert running.pop(0).terminate() == 0
        wide.produce(wide.history.work(COUNT))
    wide.await_acknowledged(60, running[-1])

    assert wide.verdict() == []


def test_watchers_killed_while_others_write_to_the_same_totals(wide: World):
    """Each in turn dies after an insert and is replaced; its plans are finished while the other goes on writing."""
    names = ["one", "other"]
    running = {name: wide.start(kafka__group_instance_id=name, failpoint="insert.answered:2") for name in names}
    await_that(lambda: [holds(one) for one in running.values()] == [2, 2], "both to hold half", 60)
    for _ in range(3):
        wide.produce(wide.history.work(2 * COUNT))
        for name, daemon in running.items():
            assert daemon.await_exit() == 137
            running[name] = wide.start(kafka__group_instance_id=name, failpoint="insert.answered:2")
    for daemon in running.values():
        daemon.kill()  # one that still starts would join later, and take its name back
    last = [wide.start(kafka__group_instance_id=name) for name in names]
    wide.await_acknowledged(60, *last)

    assert wide.verdict() == []


def test_a_watcher_with_a_name_of_its_own_keeps_its_partitions(wide: World):
    """Stopped and started again within its session, it goes on where it was, and the other notices nothing."""
    one = wide.start(kafka__group_instance_id="one")
    other = wide.start(kafka__group_instance_id="other")
    await_that(lambda: [holds(one), holds(other)] == [2, 2], "both to hold half", 60, other.last_words)
    before = other.metric("crucible_rebalances_total")
    wide.produce(wide.history.work(COUNT))
    one.kill()
    wide.produce(wide.history.work(COUNT))
    again = wide.start(kafka__group_instance_id="one")
    wide.await_acknowledged(60, again)

    assert holds(again) == 2
    assert other.metric("crucible_rebalances_total") == before
    assert wide.verdict() == []


def test_two_watchers_with_one_name_do_not_share_it(world: World):
    """The one whose name was taken stops and says so; nothing counts twice."""
    one = world.start(kafka__group_instance_id="same")
    world.produce(world.history.work(COUNT))
    world.await_acknowledged(60, one)
    other = world.start(kafka__group_instance_id="same")
    world.produce(world.history.work(COUNT))

    assert one.await_exit() == 1
    assert "kafka.group_instance_id" in one.text()
    world.await_acknowledged(60, other)
    assert world.verdict() == []


def test_who_cannot_write_takes_no_partition(wide: World):
    """With a wrong password or database it waits outside of the group; who has partitions keeps them, and goes on."""
    well = wide.start()
    await_that(lambda: holds(well) == PARTITIONS, "all of them", 60, well.last_words)
    before = well.metric("crucible_rebalances_total")
    database, redis = wide.environ["CRUCIBLE_CLICKHOUSE__DATABASE"], wide.environ["CRUCIBLE_REDIS__URL"]
    wrong = {
        "a password of ClickHouse": ("clickhouse", wide.start(clickhouse__password="wrong")),
        "a database of ClickHouse": ("clickhouse", wide.start(clickhouse__database=f"no_{database}")),
        "a password of Redis": ("redis", wide.start(redis__url=redis.replace("://", "://nobody:wrong@"))),
    }
    for what, (neighbour, daemon) in wrong.items():
        daemon.await_event("neighbour.refuses", neighbour=neighbour)
        said = daemon.ready()
        assert (said["ok"], said["start"]["detail"].partition(":")[0]) == (False, f"waits for {neighbour}"), what
        assert said[neighbour]["refused"], what
    wide.produce(wide.history.work(COUNT))
    wide.await_acknowledged(60, well)

    assert wide.members() == 1
    assert holds(well) == PARTITIONS
    assert well.metric("crucible_rebalances_total") == before
    assert [daemon.terminate(15) for _, daemon in wrong.values()] == [0, 0, 0]
    assert wide.verdict() == []


@pytest.mark.soak("takes half a minute")
def test_a_paused_table_waits_for_every_watcher_of_the_group(wide: World):
    """Also for those that start later; it is told as paused, and goes on from there when a person says so."""
    paused = wide.crucible("tables", "pause", "CrucibleEntry", "--reason", "a move")
    again = wide.crucible("tables", "pause", "CrucibleEntry", "--json")
    unknown = wide.crucible("tables", "pause", "Crucibel")
    assert [paused.returncode, again.returncode, unknown.returncode] == [0, 0, 1], paused.stderr + again.stderr
    assert ("drops records from 20" in paused.stderr, '"did": false' in again.stdout) == (True, True)
    assert "given 'Crucibel', expected one of Crucible, CrucibleEntry" in unknown.stderr
    first, second = wide.start(), wide.start()
    wide.produce(wide.history.work(COUNT))
    await_that(lambda: [holds(first), holds(second)] == [2, 2], "both to hold half", 60, second.last_words)
    state = {"table": "CrucibleEntry", "state": "paused"}
    await_that(lambda: first.metric("crucible_stream_state", **state) == 1, "it to be told", 30)
    ready, rows = first.ready(), wide.rows()
    examined = wide.crucible("doctor", "--json").stdout
    resumed = wide.crucible("tables", "resume", "CrucibleEntry")
    wide.await_acknowledged(60, first, second)

    assert (rows, ready["ok"], ready["stream"]["ok"]) == (0, True, True)
    assert re.search(r"CrucibleEntry: paused since \S+ by \S+ \(a move\)", ready["stream"]["detail"])
    assert '"postgres.paused.CrucibleEntry"' in examined
    assert re.search(r"CrucibleEntry was paused since \S+ by \S+ \(a move\)", resumed.stdout)
    assert wide.verdict() == []
