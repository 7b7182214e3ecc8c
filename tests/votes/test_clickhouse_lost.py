"""ClickHouse is away, is killed, or forgets a part: votes wait, and each shows once in every table and view."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.acceptance.daemon import Daemon
from tests.awaiting import await_that
from tests.faults.clickhouse_phantom import NewestInsert, newest_insert
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld

KILLED = 137
TABLES = ("crucible_entry_rating", "entityMetricEvents")
VIEWS = (
    "crucible_votes_v1", "entry_record_v1", "judge_activity_v1", "entry_rating_v1",
    "metric_totals_v1", "metric_daily_v1", "metric_hourly_v1",
)  # fmt: skip


def test_clickhouse_killed_among_votes(world: VoteWorld) -> None:
    """Judges go on voting; what waited in Redis is drained afterwards, once."""
    crucibles = [world.crucible(), world.crucible()]
    drainer = world.start("drain", "keep")
    world.await_votable(*crucibles)
    with world.judging(*crucibles):
        await_that(lambda: len(world.cast.counted) >= 300, "votes")
        world.stack.clickhouse.kill()
        had = len(world.cast.counted)
        await_that(lambda: len(world.cast.counted) >= had + 600, "votes while ClickHouse is away")
        await_that(lambda: world.undrained() > 300, "votes that wait")
        await_that(lambda: bool(drainer.events("drain.waiting")), "a drain that noticed")  # it may have rested
        world.stack.clickhouse.start()
        world.stack.clickhouse.await_ready()
        await_that(lambda: len(world.cast.counted) >= had + 900, "votes afterwards")
    world.await_drained()

    assert verdict(world, *crucibles) == []
    assert not world.cast.refused


def _stopped(world: VoteWorld, *arguments: str) -> tuple[int, Daemon]:
    """A crucible's votes are in ClickHouse, and whoever drained them has been killed before it saw them there."""
    crucible = world.crucible()
    world.keep(crucible)
    with world.clickhouse() as client:
        for table in (*TABLES, *VIEWS):
            client.command(f"SYSTEM STOP MERGES {table}")
    world.vote(crucible, votes=120)
    world.drained()
    world.vote(crucible, votes=100)
    drainer = world.start("drain", *arguments, failpoint="drain.events_sent")
    assert drainer.await_exit() == KILLED
    return crucible, drainer


def _lose(world: VoteWorld, how: Callable[[NewestInsert], None], *tables: str) -> None:
    """ClickHouse dies, and when it comes back the newest part of each of these tables is not there."""
    with world.clickhouse() as client:
        newest = [newest_insert(client, world.name, table) for table in tables]
    world.stack.clickhouse.kill()
    for insert in newest:
        how(insert)
    world.stack.clickhouse.start()
    world.stack.clickhouse.await_ready()


@pytest.mark.parametrize("table", TABLES)
def test_a_part_whose_token_clickhouse_remembers(world: VoteWorld, table: str) -> None:
    """It answers the same insert with success and has no rows: they are moved in, and no view counts them again."""
    crucible, _ = _stopped(world)
    _lose(world, NewestInsert.lose_part, table)
    finisher = world.start("drain")
    world.await_drained()

    assert finisher.await_event("votes.drained")["outcome"] == "healed"
    assert verdict(world, crucible) == []


def test_a_part_that_nobody_looks_for(world: VoteWorld) -> None:
    """The control: what ClickHouse answers is believed, the log is trimmed, and the votes are gone."""
    crucible, _ = _stopped(world)
    _lose(world, NewestInsert.lose_part, "crucible_entry_rating")
    world.start("drain", "without:bringing")
    world.await_drained()

    assert any("not in ClickHouse" in one for one in verdict(world, crucible))


@pytest.mark.parametrize("views", [VIEWS[::2], VIEWS[1::2]], ids=["some", "the_others"])
def test_views_that_lack_their_part(world: VoteWorld, views: tuple[str, ...]) -> None:
    """The table has the rows and some of its views do not: the plan is sent again, and those views alone take it."""
    crucible, _ = _stopped(world)
    _lose(world, NewestInsert.forget, *views)
    assert verdict(world, crucible) != []
    world.start("drain")
    world.await_drained()

    assert verdict(world, crucible) == []


def test_a_view_that_nobody_compares(world: VoteWorld) -> None:
    """The control: the view goes on without those votes."""
    crucible, _ = _stopped(world)
    _lose(world, NewestInsert.forget, "entry_rating_v1")
    world.start("drain", "without:completing")
    world.await_drained()

    assert any("entry_rating" in one for one in verdict(world, crucible))


def test_the_undrained_tail_is_short(world: VoteWorld) -> None:
    """In calm a vote is in ClickHouse within a second, with the settings that ship."""
    crucible = world.crucible()
    world.start("drain", "keep", votes__drain_interval="0.25", votes__max_plan_votes="20000")
    world.await_votable(crucible)
    world.vote(crucible, votes=25)
    world.await_drained()  # the first asks more
    took = []
    for _ in range(10):
        world.vote(crucible, votes=1)
        begun = time.monotonic()
        await_that(partial(lambda: world.undrained() == 0), "the vote drained")
        took.append(time.monotonic() - begun)

    assert sorted(took)[2] < 1.0  # the calm ones: beside this test others run
