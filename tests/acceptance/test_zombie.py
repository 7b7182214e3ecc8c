"""A watcher that stood still for longer than its session wakes up in the middle of an insert."""

import signal
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from tests.acceptance.daemon import Daemon, await_that
from tests.acceptance.world import World

COUNT = 100
ONE_BATCH = {"batch__poll_records": "5000", "batch__max_rows": "50000"}
"""Settings of a successor that cuts its batches otherwise than the one that stood still."""


def succeed(world: World, zombie: Daemon) -> None:
    """Stop the first, have a second take over and finish, then wake the first and wait until its insert is over."""
    world.produce(world.history.work(COUNT))
    zombie.await_stopped()
    world.produce(world.history.work(COUNT))
    successor = world.start(**ONE_BATCH)
    world.await_acknowledged(60, successor)

    zombie.send(signal.SIGCONT)

    await_that(
        lambda: zombie.metric("crucible_events_ignored_total", reason="given_up") >= 1 or zombie.events("plan.written"),
        "the late insert to be over", told=zombie.last_words,
    )  # fmt: skip


def shipped(world: World) -> list[str]:
    """The watcher as it ships is suspended in an insert; after its successor's work both go on."""
    zombie = world.start(failpoint="insert.sending:1:stop")
    succeed(world, zombie)
    await_that(lambda: world.members() == 2, "the first to join again", told=zombie.last_words)
    world.produce(world.history.work(COUNT))
    world.await_acknowledged()
    return world.verdict()


def weakened(world: World, what: str) -> list[str]:
    """A weakened one is suspended, in an insert or where the weakening says."""
    environ = {} if "standing_still" in what else {"failpoint": "insert.sending:1:stop"}
    succeed(world, world.weakened(what, **environ))
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
