"""What PostgreSQL does not have any more leaves Redis, whoever took it away, also if the stream tells nothing of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.awaiting import await_that
from tests.contract.redis.rows import apply
from tests.votes.world import VoteWorld
from watcher.model.effects import CrucibleGone, EntryGone
from watcher.recovery.sweep import Sweep
from watcher.recovery.verifier import Comparison
from watcher.redis import keys

BOUND_SECONDS = 30.0
"""Of votes on what is gone: the tests' interval of half a second, and a machine that is busy with others."""


def ratings(world: VoteWorld, *crucibles: int) -> int:
    """How many of the crucibles have ratings in Redis."""
    return int(world.redis.exists(*map(keys.elo, crucibles)))  # type: ignore[arg-type]


@contextmanager
def writing(world: VoteWorld, crucible: int) -> Iterator[tuple[psycopg.Connection[Any], int]]:
    """A transaction that has entered somebody and is not over; and where in the log that lies."""
    image = world.enter(crucible, 1)[0]
    entry = world.take_out(crucible, image)
    with world.site() as site, site.transaction():
        before = world.log_end()
        site.execute(
            """INSERT INTO "CrucibleEntry" ("crucibleId", id, "userId", "imageId")
               VALUES (%s, %s, %s, %s)""",
            [crucible, entry.entry_id, entry.user_id, entry.image_id],
        )
        yield site, before


def test_an_old_creation_does_not_bring_back_what_was_deleted(world: VoteWorld) -> None:
    """The topic grew: the deletion was read first, while Redis had lost the crucible, and nobody remembers it."""
    crucible = world.crucible(entries=3)
    created = world.log_end()
    gone = world.take_out(crucible, world.entries(crucible)[0])
    deleted = world.log_end()
    apply(world.redis, [(deleted, EntryGone(crucible, gone.entry_id))])
    assert world.keep(crucible) == [Comparison.REBUILT]
    apply(world.redis, [(created, gone)])

    assert world.held(crucible, gone.entry_id) == (None, None)
    assert world.vote(crucible, votes=5) == 5


def test_who_was_writing_meanwhile_is_shown(world: VoteWorld) -> None:
    """Their rows lie before the comparison in the log, and were not to be seen yet: PostgreSQL is asked once more."""
    crucible = world.crucible(entries=3)
    with writing(world, crucible) as (site, position):
        assert world.keep(crucible) == [Comparison.REBUILT]
        (entry,) = site.execute('SELECT max(id) FROM "CrucibleEntry"').fetchone() or (0,)
    late = world.take_out(crucible, int(entry))
    world.put_back(late)
    apply(world.redis, [(position, late)])

    assert world.held(crucible, late.entry_id)[0] is not None
    assert world.vote(crucible, votes=1) == 0, "until it was compared"
    assert world.keep(crucible) == [Comparison.VERIFIED]
    assert world.held(crucible, late.entry_id)[0] is not None
    assert world.vote(crucible, votes=5) == 5


def test_a_transaction_that_ends_soon_is_waited_for(world: VoteWorld) -> None:
    """Then nothing is in doubt: most of them last for milliseconds."""
    crucible = world.crucible(entries=3)
    world.keep(crucible)

    assert world.redis.hget(keys.state(crucible), "horizon") is not None
    assert world.redis.hget(keys.state(crucible), "unsure") is None


@pytest.mark.parametrize("emptied", ['"Crucible"', '"CrucibleEntry"'])
def test_tables_are_emptied_while_judges_vote(world: VoteWorld, emptied: str) -> None:
    """Nobody tells of it, as with ``skipped.operations``: after some seconds no vote counts, and all are drained."""
    crucibles = [world.crucible(entries=4) for _ in range(3)]
    world.start("drain", "keep")
    world.await_votable(*crucibles)
    with world.judging(*crucibles):
        await_that(lambda: len(world.cast.counted) >= 100, "votes")
        with world.site() as site:
            site.execute(f"TRUNCATE {emptied} CASCADE")
        await_that(lambda: ratings(world, *crucibles) == 0, "everything that is gone gone", BOUND_SECONDS)
        counted, refused = len(world.cast.counted), world.cast.refused.total()
        await_that(lambda: world.cast.refused.total() >= refused + 200, "votes that are refused")
        assert len(world.cast.counted) == counted
    world.await_drained()

    ((stored,),) = world.ask("SELECT count() FROM crucible_entry_rating")
    assert stored == counted


def test_what_was_deleted_while_nobody_read_leaves(world: VoteWorld) -> None:
    """Nobody who runs now has seen it there: it is found among all that Redis holds."""
    stays, *gone = (world.crucible(entries=2) for _ in range(3))
    world.keep(stays, *gone)
    with world.site() as site:
        site.execute('DELETE FROM "CrucibleEntry" WHERE "crucibleId" = ANY(%s)', [gone])
        site.execute('DELETE FROM "Crucible" WHERE id = ANY(%s)', [gone])
    apply(world.redis, [(world.log_end(), CrucibleGone(gone[0]))])  # of this one the stream tells, not of its entries
    with world.tasks() as tasks:
        tasks.rounds.turn()

    assert ratings(world, stays) == 1
    assert ratings(world, *gone) == 0
    assert world.vote(stays, votes=1) == 1
    assert all(int(world.redis.ttl(keys.state(one))) > 0 for one in gone)  # type: ignore[arg-type]
    with world.verification() as verification:
        assert Sweep(world.redis, verification.verifier).take_out_all_gone() == [], "once is enough"


def test_a_crucible_that_is_deleted_while_it_is_compared_shows_no_entry(
    world: VoteWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deletions of its entries may lie before the comparison in the log, and are no news after it."""
    crucible = world.crucible(entries=2)
    world.keep(crucible)
    with world.verification() as verification:
        close = verification.verifier._close

        def closed_and_deleted(*given: Any) -> Any:
            closed = close(*given)
            with world.site() as site:
                site.execute('DELETE FROM "CrucibleEntry" WHERE "crucibleId" = %s', [crucible])
                site.execute('DELETE FROM "Crucible" WHERE id = %s', [crucible])
            return closed

        monkeypatch.setattr(verification.verifier, "_close", closed_and_deleted)
        assert verification.verifier.compare(crucible) is Comparison.UNKNOWN
        other = crucible = world.crucible(entries=2)
        assert verification.verifier.rebuild(other) is Comparison.UNKNOWN, "nor does it end a run of all"

    assert ratings(world, crucible) == 0


def test_a_rebuild_of_all_says_what_is_gone(world: VoteWorld) -> None:
    """Else it has done 0 of 0, while Redis shows crucibles that are nowhere else."""
    crucible = world.crucible(entries=2)
    world.keep(crucible)
    with world.site() as site:
        site.execute('TRUNCATE "Crucible" CASCADE')
    done = world.crucible_command("rebuild", "--all")

    assert done.returncode == 0, done.stderr
    assert f"1 crucible that PostgreSQL does not have left Redis: {crucible}" in done.stderr
    assert ratings(world, crucible) == 0


def test_ratings_that_somebody_has_put_there_go_with_the_crucible(world: VoteWorld) -> None:
    """Also of entries that Redis does not show, and of what is no entry's id: else it is found for ever."""
    crucible = world.crucible(entries=2)
    world.keep(crucible)
    world.redis.hset(keys.elo(crucible), mapping={"77000001": "1500", "007": "1", "x": "2"})
    with world.site() as site:
        site.execute('TRUNCATE "Crucible" CASCADE')
    world.crucible_command("rebuild", "--all")

    assert ratings(world, crucible) == 0
