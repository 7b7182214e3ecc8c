"""Crucibles are deleted while nobody watches and nobody streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.pipeline import SHUTDOWN_SECONDS
from tests.awaiting import await_that
from tests.reconcile.whole import people
from tests.reconcile.whole.conftest import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole


def test_ghosts_in_redis(whole: Whole) -> None:
    """Their ratings leave Redis, and what was counted of them is taken back."""
    with whole.site() as site:
        doomed = [(site.execute(people.OPEN, ("doomed",)).fetchone() or (0,))[0] for _ in range(3)]
        keys = [key for one in doomed for (key,) in site.execute(people.ENTER, (one, 30)).fetchall()]
    whole.await_counted(keys)
    ratings = [f"crucible:{one}:elo" for one in doomed]
    with whole.places() as places:
        await_that(lambda: places.redis.exists(*ratings) == len(doomed), "ratings to be shown", PATIENCE_SECONDS)
    with whole.people(votes=False):
        assert whole.pipeline.watcher.stop(SHUTDOWN_SECONDS) == 0
        whole.delete_connector()
        with whole.site() as site:
            site.execute('DELETE FROM "Crucible" WHERE id = ANY(%s)', (doomed,))
        whole.pipeline.apply_connector()
        with whole.places() as places:
            ghosts = places.redis.exists(*ratings)
        whole.pipeline.start_watcher()
        whole.await_counted(whole.enter(20))
        mended = whole.mended()
    with whole.places() as places:
        await_that(lambda: not places.redis.exists(*ratings), "ghosts to leave", PATIENCE_SECONDS, whole.last_words)

    assert ghosts == len(doomed)
    assert mended["CrucibleEntry", "left_over"] >= len(keys)
    assert mended["Crucible", "left_over"] >= len(doomed)
    whole.await_right()
