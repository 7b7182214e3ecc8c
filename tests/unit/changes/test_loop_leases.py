"""The lease of an open plan is renewed while its owner lives, and runs out after that."""

from tests.unit.changes.looped import Looped, entered


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
