"""An older copy of PostgreSQL stands in its place: what came of the lost stretch is taken back."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.awaiting import await_that
from tests.reconcile.whole.conftest import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole


def _restart(whole: Whole) -> None:
    whole.pipeline.stack.postgres.start()
    whole.pipeline.stack.postgres.await_ready(PATIENCE_SECONDS)


def test_an_older_copy_of_postgres(whole: Whole) -> None:
    """The watcher stops and names the way; after it, rows of the copy count and those of the lost stretch do not."""
    postgres, watcher = whole.pipeline.stack.postgres, whole.pipeline.watcher
    old = whole.enter(40)
    whole.await_counted(old)
    copy = postgres._data.with_name("older")
    postgres.kill()
    subprocess.run(["cp", "-a", postgres._data, copy], check=True)
    _restart(whole)
    with whole.people():
        lost = whole.enter(40)
        with whole.site() as site:
            site.execute('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', (old,))
        whole.await_counted(lost)
        await_that(lambda: not whole.counted(old), "deletions to be counted", PATIENCE_SECONDS)
    whole.await_right()
    postgres.kill()
    shutil.rmtree(postgres._data)
    copy.rename(postgres._data)
    _restart(whole)
    await_that(lambda: not watcher.is_alive(), "the watcher to stop", PATIENCE_SECONDS, whole.last_words)
    said = watcher.log.read_text()
    whole.delete_connector()
    whole.pipeline.apply_connector()
    whole.pipeline.crucible("history", "accept", "--yes")
    whole.pipeline.start_watcher()
    with whole.people():
        new = whole.enter(20)
        whole.await_counted(new)
        mended = whole.mended()

    assert "set back in place" in said
    assert mended["CrucibleEntry", "missing"] >= len(old)
    assert whole.counted(old) == set(old)
    whole.await_right()
