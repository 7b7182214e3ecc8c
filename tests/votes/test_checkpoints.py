"""Score checkpoints: the site's table shows what votes have made of active crucibles, and never overwrites a result."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from tests.awaiting import await_that
from tests.votes.test_proof import note
from tests.votes.world import VoteWorld
from watcher.bootstrap.clients import site_session
from watcher.model.errors import TemporaryError
from watcher.postgres.site import checkpoints as statements
from watcher.postgres.site.checkpoints import write_scores
from watcher.redis import keys
from watcher.settlement.checkpoints import ScoreCheckpoints
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.metrics.settlement import SettlementMetrics


@contextmanager
def checkpoints(world: VoteWorld) -> Iterator[tuple[ScoreCheckpoints, SettlementMetrics]]:
    """The task, taking its turns by hand."""
    settings, metrics = world.settings(), Metrics(CollectorRegistry()).settlement
    with world.verification() as verification:
        task = ScoreCheckpoints(partial(site_session, settings), verification.client, metrics, 300.0)
        try:
            yield task, metrics
        finally:
            task.end()


def rows(metrics: SettlementMetrics) -> int:
    """How many were written so far."""
    return int(metrics.checkpoint_rows._value.get())


def site(world: VoteWorld, crucible: int) -> list[tuple[int, int, int]]:
    """Entry, score and votes as the site has them."""
    with world.site() as connection:
        found = connection.execute(
            'SELECT id, score, "voteCount" FROM "CrucibleEntry" WHERE "crucibleId" = %s ORDER BY id', [crucible]
        )
        return [tuple(row) for row in found]


def live(world: VoteWorld, crucible: int) -> list[tuple[int, int, int]]:
    """The same as Redis has it."""
    held = [(one, *world.held(crucible, one)) for one in world.entries(crucible)]
    return [(one, int(rating or 1500), int(votes or 0)) for one, rating, votes in held]


def active(world: VoteWorld, entries: int = 20) -> int:
    """A crucible that takes votes, and whose end is to come."""
    crucible = world.crucible(entries)
    world.keep(crucible)
    note(world, crucible, "due")
    return crucible


def test_scores_follow_the_votes_and_only_what_changed_is_written(world: VoteWorld) -> None:
    """A second look writes nothing, and one vote more two rows."""
    crucible, quiet = active(world), active(world)
    world.vote(crucible, votes=300)
    with checkpoints(world) as (task, metrics):
        assert task.turn() == 300.0
        assert site(world, crucible) == live(world, crucible)
        assert rows(metrics) == sum(1 for _, score, votes in live(world, crucible) if votes or score != 1500) > 10
        written = rows(metrics)
        task.turn()
        assert rows(metrics) == written
        assert world.vote(crucible, votes=1) == 1
        task.turn()
        assert rows(metrics) == written + 2
    with checkpoints(world) as (anew, metrics):  # another process compares, and finds nothing to write
        anew.turn()
        assert rows(metrics) == 0

    assert site(world, crucible) == live(world, crucible)
    assert {row[1:] for row in site(world, quiet)} == {(1500, 0)}


def test_more_entries_than_a_page_holds(world: VoteWorld) -> None:
    """Each is written."""
    crucible = active(world, entries=1_200)
    pipeline = world.redis.pipeline()
    for one in world.entries(crucible):
        pipeline.hset(keys.votes(crucible), str(one), 1)
        pipeline.hset(keys.elo(crucible), str(one), 1_501)
    pipeline.execute()
    with checkpoints(world) as (task, metrics):
        task.turn()

    assert rows(metrics) == 1_200
    assert {row[1:] for row in site(world, crucible)} == {(1_501, 1)}


@pytest.mark.parametrize(
    ("state", "frozen", "status"),
    [("frozen", "1:50", "Active"), ("frozen", None, "Active"), (None, "1:50", "Active"), ("due", None, "Completed")],
    ids=["frozen", "Redis was not told yet", "PostgreSQL was not told yet", "completed"],
)
def test_nothing_is_written_after_the_freeze(
    world: VoteWorld, state: str | None, frozen: str | None, status: str
) -> None:
    """Whichever of the two knows of it, and however it ended."""
    crucible = world.crucible()
    world.keep(crucible)
    world.vote(crucible, votes=50)
    note(world, crucible, state or "due")
    if frozen:
        world.redis.hset(keys.state(crucible), keys.FROZEN, frozen)
    with world.site() as connection:
        connection.execute('UPDATE "Crucible" SET status = %s WHERE id = %s', [status, crucible])
    with checkpoints(world) as (task, metrics):
        task.turn()

    assert rows(metrics) == 0
    assert {row[1:] for row in site(world, crucible)} == {(1500, 0)}


def test_a_crucible_that_nobody_compared_is_left_out(world: VoteWorld) -> None:
    """A Redis that was set back has older ratings; and one without the crucible has none."""
    crucible = active(world)
    world.vote(crucible, votes=50)
    world.redis.hset(keys.state(crucible), "fence", "another process")
    with checkpoints(world) as (task, metrics):
        task.turn()
        assert rows(metrics) == 0
        world.redis.flushall()
        task.turn()
        assert rows(metrics) == 0


def test_a_neighbour_that_is_away_is_waited_for(world: VoteWorld) -> None:
    """Nothing is forgotten: the next turn writes what the failed one did not. Until then the last one gets older."""
    crucible = active(world)
    world.vote(crucible, votes=50)
    with checkpoints(world) as (task, metrics):
        assert (
            Metrics(CollectorRegistry()).settlement.checkpoint_timestamp._value.get() == 0
        )  # of a process of another role
        begun = metrics.checkpoint_timestamp._value.get()
        world.stack.redis.kill()
        with pytest.raises(TemporaryError) as failed:
            task.turn()
        task.away(failed.value)
        assert metrics.checkpoint_timestamp._value.get() == begun > 0
        world.start_redis()
        world.keep(crucible)
        task.turn()

    assert metrics.checkpoint_timestamp._value.get() > begun
    assert metrics.checkpoint_errors._value.get() == 1
    assert site(world, crucible) == live(world, crucible)


def late(world: VoteWorld, crucible: int) -> int:
    """A checkpoint that begins while the end is acted upon, and waits until that is over; returns the score then."""
    entry = world.entries(crucible)[0]
    with psycopg.connect(str(world.stack.endpoints.postgres_dsn)) as ending, site_session(world.settings()) as session:
        frozen = f"UPDATE {world.name}.settlement SET state = 'frozen' WHERE crucible_id = %s"  # noqa: S608
        ending.execute(frozen, [crucible])  # type: ignore[arg-type]
        ending.execute('UPDATE "CrucibleEntry" SET score = 1777, "voteCount" = 7 WHERE id = %s', [entry])
        writing = threading.Thread(target=write_scores, args=(session, crucible, [(entry, 1_516, 1)]))
        writing.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with world.site() as asked:
            await_that(lambda: asked.execute(waiting).fetchone() == (1,), "the checkpoint waits")
        ending.commit()
        writing.join()
    return site(world, crucible)[0][1]


def test_a_checkpoint_does_not_overwrite_a_result(world: VoteWorld) -> None:
    """It began before the result was there, with older numbers; what it waited for tells it to let be."""
    assert late(world, active(world)) == 1_777


def test_without_the_lock_a_checkpoint_overwrites_a_result(world: VoteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: who only looks sees a state that is over, and waits for the entry's row with older numbers."""
    named = dict(statements._STATEMENTS)
    weak = named["lock_before_its_end"].replace("FOR SHARE", "")
    assert weak != named["lock_before_its_end"]
    monkeypatch.setattr(statements, "_STATEMENTS", named | {"lock_before_its_end": weak})

    assert late(world, active(world)) == 1_516
