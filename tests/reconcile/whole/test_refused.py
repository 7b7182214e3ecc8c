"""Changes that were refused as dead letters are replayed, and what a letter cannot tell is found by comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.awaiting import await_that
from tests.pipeline.running import count
from tests.reconcile.whole.conftest import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole

MOVED = 300
"""Entries whose changes are refused."""

MOVE = """UPDATE "CrucibleEntry" SET "crucibleId" = (SELECT max(id) FROM "Crucible" WHERE name = 'standing')
WHERE id = ANY(%s)"""


def _letters(whole: Whole) -> float:
    return count(whole.pipeline.ops_url, "crucible_dlq_events_total")


def test_replica_identity_default_for_ten_seconds(whole: Whole) -> None:
    """Changes and deletions then say nothing of what was before: hundreds of letters, whose rows are compared."""
    moved, gone = whole.enter(MOVED), whole.enter(MOVED)
    whole.await_counted([*moved, *gone])
    before = _letters(whole)
    with whole.people():
        with whole.site() as site:
            site.execute('ALTER TABLE "CrucibleEntry" REPLICA IDENTITY DEFAULT')
            site.execute(MOVE, (moved,))
            site.execute('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', (gone,))
            site.execute("SELECT pg_sleep(10)")
            site.execute('ALTER TABLE "CrucibleEntry" REPLICA IDENTITY FULL')
        whole.await_counted(whole.enter(20))
        letters = _letters(whole) - before
        uncounted = whole.counted(gone)
        whole.replayed()

    assert letters >= 2 * MOVED
    assert uncounted == set(gone)
    assert whole.counted([*moved, *gone]) == set(moved)
    whole.await_right()


def test_a_renamed_column(whole: Whole) -> None:
    """Its records lack what the watcher reads until it is named as before."""
    before = _letters(whole)
    with whole.people():
        with whole.site() as site:
            site.execute('ALTER TABLE "CrucibleEntry" RENAME COLUMN "userId" TO "ownerId"')
            (contest,) = site.execute("""SELECT min(id) FROM "Crucible" WHERE name = 'standing'""").fetchone() or (0,)
            unread = [
                key
                for (key,) in site.execute(
                    """INSERT INTO "CrucibleEntry" ("crucibleId", "ownerId", "imageId")
                       SELECT %s, 1, n FROM generate_series(1, %s) n RETURNING id""",
                    (contest, MOVED),
                )
            ]
            await_that(lambda: _letters(whole) - before >= MOVED, "the letters", PATIENCE_SECONDS, whole.last_words)
            site.execute('ALTER TABLE "CrucibleEntry" RENAME COLUMN "ownerId" TO "userId"')
        whole.await_counted(whole.enter(20))
        uncounted = whole.counted(unread)
        mended = whole.mended()
        whole.replayed()  # after it: what is mended is not counted on top

    assert uncounted == set()
    assert mended["CrucibleEntry", "missing"] >= MOVED
    assert whole.counted(unread) == set(unread)
    whole.await_right()
