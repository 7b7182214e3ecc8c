"""A watcher that stood still for longer than its session wakes up in the middle of an insert."""

import signal
from collections.abc import Callable

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


def test_a_watcher_that_wakes_up_in_an_insert_changes_nothing(world: World):
    """Its insert lands under the name that the successor has used; then it joins the group again and both go on."""
    zombie = world.start(failpoint="insert.sending:1:stop")
    succeed(world, zombie)
    await_that(lambda: world.members() == 2, "the first to join again", told=zombie.last_words)
    world.produce(world.history.work(COUNT))
    world.await_acknowledged()

    assert world.verdict() == []


def test_a_watcher_that_wakes_up_before_it_sends_sends_nothing(world: World):
    """The lease alone holds it back, even where ClickHouse would not recognise the insert's name any more."""
    succeed(world, world.weakened("token,standing_still"))

    assert world.verdict() == []


@pytest.mark.parametrize(
    ("what", "environ"),
    [
        ("token", {"failpoint": "insert.sending:1:stop"}),
        ("naming", {"failpoint": "insert.sending:1:stop"}),
        ("token,lease,standing_still", {}),
    ],
)
def test_without_the_protection_it_counts_twice(make_world: Callable[..., World], what: str, environ: dict[str, str]):
    """Without the insert's name, without telling Kafka of it first, or without the lease, the same story goes wrong."""
    world = make_world()
    succeed(world, world.weakened(what, **environ))

    assert any("too many" in finding for finding in world.verdict())
