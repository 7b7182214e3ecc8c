"""Votes reach ClickHouse, and Redis is what they add up to, when nothing goes wrong."""

from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.recovery.verifier import Comparison


def test_votes_of_several_crucibles_are_drained(world: VoteWorld) -> None:
    """Redis, the log's replay, both tables and every view agree on each vote."""
    crucibles = [world.crucible(), world.crucible(entries=5), world.crucible(entries=40)]
    assert world.keep(*crucibles) == [Comparison.REBUILT] * 3
    assert world.vote(*crucibles, votes=700) == 700
    world.drained()

    assert verdict(world, *crucibles) == []
    assert world.vote(*crucibles, votes=100) == 100
    world.drained()

    assert verdict(world, *crucibles) == []
