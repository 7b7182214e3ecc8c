"""Whoever drains may die between any two steps, and there may be several; each vote counts once."""

import signal

import pytest

from tests.awaiting import await_that
from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.runtime.failpoint import DRAIN_PLACES

KILLED = 137


def test_drainers_killed_between_any_two_steps(world: VoteWorld) -> None:
    """One after the other dies, each a step later than the one before, each while it finishes what that one left."""
    crucibles = [world.crucible(), world.crucible()]
    world.keep(*crucibles)
    for place in DRAIN_PLACES:
        world.vote(*crucibles, votes=150)
        assert world.start("drain", failpoint=place).await_exit() == KILLED
    world.start("drain")
    world.await_drained()

    assert len(world.cast.counted) == 150 * len(DRAIN_PLACES)
    assert verdict(world, *crucibles) == []


@pytest.mark.parametrize(
    ("protection", "place", "finding"),
    [
        ("asking_and_token", "drain.votes_sent", "more than once"),
        ("asking_and_token", "drain.events_sent", "metric events"),
        ("order", "drain.votes_sending", "differ from the replay"),
    ],
)
def test_without_a_protection_the_same_death_shows(world: VoteWorld, protection: str, place: str, finding: str) -> None:
    """The controls: neither asked nor recognised, votes count twice; trimmed too early, they are lost."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=250)
    assert world.start("drain", f"without:{protection}", failpoint=place).await_exit() == KILLED
    world.start("drain", f"without:{protection}")
    world.await_drained()

    assert any(finding in one for one in verdict(world, crucible))


def test_several_drainers_at_once(world: VoteWorld) -> None:
    """Three processes drain while judges vote; the plan of one that stands still is finished by another."""
    crucibles = [world.crucible(), world.crucible(), world.crucible()]
    world.keep(*crucibles)
    slow = world.start("drain", failpoint="drain.votes_sending:2:stop")
    drainers = [world.start("drain"), world.start("drain")]
    with world.judging(*crucibles):
        slow.await_stopped()
        await_that(lambda: len(world.cast.counted) >= 1_500, "votes")
    world.await_drained()
    slow.send(signal.SIGCONT)  # it sends what others have sent long since
    slow.await_event("votes.drained")
    for one in (slow, *drainers):
        assert one.terminate() == 0

    assert verdict(world, *crucibles) == []


def test_a_late_insert_is_recognised_by_its_token(world: VoteWorld) -> None:
    """The control: with a name of its own, the request of the one that stood still counts its votes again."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=100)
    slow = world.start("drain", "without:token", failpoint="drain.votes_sending:1:stop")
    slow.await_stopped()
    world.start("drain", "without:token")
    world.await_drained()
    slow.send(signal.SIGCONT)

    # Not at once: a view may take the request's rows before its table shows them.
    await_that(lambda: any("more than once" in one for one in verdict(world, crucible)), "votes to count twice")
