"""Votes of a crucible that has finished reach ClickHouse although nothing says any more that it has some."""

from tests.votes.verdict import verdict
from tests.votes.world import VoteWorld
from watcher.bootstrap.clients import site_session
from watcher.model.row_state import KEEP_FINISHED_SECONDS
from watcher.postgres.site.contests import lately_finished
from watcher.redis import keys
from watcher.redis.keys import BUCKETS


def test_a_finished_crucible_without_its_hint(world: VoteWorld) -> None:
    """The drain alone passes it by, and its log would expire with the votes; the verifier's round puts that right."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=20)
    with world.site() as site:
        site.execute("""UPDATE "Crucible" SET status = 'Completed' WHERE id = %s""", [crucible])
    world.redis.delete(keys.undrained(keys.bucket(crucible)))

    with world.tasks() as tasks:
        assert [tasks.drain.turn(bucket) for bucket in range(BUCKETS)] == [0] * BUCKETS
        assert world.undrained() == 20
        tasks.rounds.turn()
    world.drained()

    assert verdict(world, crucible) == []


def test_one_that_finished_long_ago_is_not_looked_at(world: VoteWorld) -> None:
    """The question stays small; what such a crucible had in Redis has expired."""
    lately, long_ago, active = (world.crucible(status=status) for status in ("Cancelled", "Completed", "Active"))
    with world.site() as site:
        site.execute(
            """UPDATE "Crucible" SET "endAt" = now() AT TIME ZONE 'UTC' - interval '8 days',
                      "updatedAt" = now() AT TIME ZONE 'UTC' - interval '8 days' WHERE id = %s""",
            [long_ago],
        )
    with site_session(world.settings()) as session:
        found = lately_finished(session, KEEP_FINISHED_SECONDS)

    assert {lately, long_ago, active} & set(found) == {lately}
