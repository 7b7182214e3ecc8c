"""A watcher that stood still for longer than its session wakes up in the middle of an insert."""

import signal
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from tests.acceptance.daemon import Daemon
from tests.acceptance.world import World
from tests.awaiting import await_that

COUNT = 100
ROWS = 200
"""Rows of so many changes."""


def batches_of(rows: int) -> dict[str, str]:
    """Settings by which the number of rows alone says where a batch ends, and not how slow the machine is."""
    return {"batch__max_rows": str(rows), "batch__flush_interval": "60"}


def work(world: World, times: int = 1) -> None:
    """So many times ``COUNT`` changes; the last of them fills a batch of so many ``ROWS``."""
    changes = world.history.work(times * COUNT)
    assert sum(len([*change.counted()]) for change in changes) == times * ROWS
    assert [*changes[-1].counted()]
    world.produce(changes)


def succeed(world: World, zombie: Daemon, batch: int) -> None:
    """Stop the first, have a second take over and finish, then wake the first and wait until its insert is over.

    Args:
        batch: rows of the second's batches. They are more than the first's, so of its own accord the second would not
            cut where the first did.
    """
    work(world)
    zombie.await_stopped()
    work(world, 2)
    successor = world.start(**batches_of(batch), batch__poll_records="5000")
    world.await_acknowledged(60, successor)

    zombie.send(signal.SIGCONT)

    await_that(
        lambda: zombie.metric("crucible_events_ignored_total", reason="given_up") >= 1 or zombie.events("plan.written"),
        "the late insert to be over", told=zombie.last_words,
    )  # fmt: skip


def shipped(world: World) -> list[str]:
    """The watcher as it ships is suspended in an insert; after its successor's work both go on."""
    zombie = world.start(**batches_of(ROWS), failpoint="insert.sending:1:stop")
    succeed(world, zombie, 2 * ROWS)
    await_that(lambda: world.members() == 2, "the first to join again", told=zombie.last_words)
    work(world, 2)
    world.await_acknowledged()
    return world.verdict()


def weakened(world: World, what: str) -> list[str]:
    """A weakened one is suspended, in an insert or where the weakening says."""
    environ = {} if "standing_still" in what else {"failpoint": "insert.sending:1:stop"}
    batch = 3 * ROWS if what == "naming" else 2 * ROWS  # told of no plan, it makes one of everything
    succeed(world, world.weakened(what, **batches_of(ROWS), **environ), batch)
    return world.verdict()


WRONG = ("token", "naming", "token,lease,standing_still")
LEASE = "token,standing_still"


@pytest.fixture(scope="module")
def told(tell: Callable[..., Future[list[str]]]) -> dict[str, Future[list[str]]]:
    """All of these stories; each takes a session's length."""
    return {"shipped": tell(shipped), **{what: tell(weakened, what) for what in (LEASE, *WRONG)}}


def test_a_watcher_that_wakes_up_in_an_insert_changes_nothing(told: dict[str, Future[list[str]]]):
    """Its insert lands under the name that the successor has used; then it joins the group again and both go on."""
    assert told["shipped"].result() == []


def test_a_watcher_that_wakes_up_before_it_sends_sends_nothing(told: dict[str, Future[list[str]]]):
    """The lease alone holds it back, even where ClickHouse would not recognise the insert's name any more."""
    assert told[LEASE].result() == []


@pytest.mark.parametrize("what", WRONG)
def test_without_the_protection_it_counts_twice(told: dict[str, Future[list[str]]], what: str):
    """Without the insert's name, without telling Kafka of it first, or without the lease, the same story goes wrong."""
    assert any("too many" in finding for finding in told[what].result())
