"""Changes that nobody streams: each is found by comparing, and mended while people go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from demo import site as prepared
from demo.pipeline import SLOT
from tests.awaiting import await_that
from tests.reconcile.whole.conftest import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole

AWAY_SECONDS = 60.0
COPY = 'COPY "CrucibleEntry" (id, "imageId", "crucibleId", "userId") FROM STDIN'
COPIED = range(1_000_000, 1_000_010)
"""Ids of one COPY."""
PASSED_OVER = 5_000_000
"""Ids from this on are sent to nobody, in the test of what Debezium loses."""


def _await_beat(whole: Whole) -> None:
    """Wait until a beat was written, so that a hole is one in their numbers."""
    written = "SELECT max(number) FROM crucible_watcher.beat"
    with whole.site() as site:
        before = site.execute(written).fetchone()
        await_that(lambda: site.execute(written).fetchone() != before, "a beat to be written", PATIENCE_SECONDS)


@pytest.mark.parametrize("table", ['"CrucibleEntry"', '"Crucible"', "crucible_watcher.entry_verdict", '"CommentV2"'])
def test_a_table_that_is_emptied(whole: Whole, table: str) -> None:
    """TRUNCATE names no rows; what was counted of them is taken back, and what comes afterwards counts."""
    with whole.people():
        whole.await_counted(whole.enter(20))
        with whole.site() as site:
            site.execute(f"TRUNCATE {table} CASCADE")
        whole.fill()
        mended = whole.mended()

    emptied = table.strip('"').rpartition(".")[2]
    if emptied != "CommentV2":
        assert sum(rows for (mended_table, _), rows in mended.items() if mended_table == emptied) > 0
    whole.await_right()


def test_the_connector_is_made_anew_with_a_hole(whole: Whole) -> None:
    """What was changed while there was none: rows that were never counted, and rows that are gone and still count."""
    old = whole.enter(40)
    whole.await_counted(old)
    with whole.people():
        whole.delete_connector()
        unseen = whole.enter(40)
        with whole.site() as site:
            site.execute('DELETE FROM "CrucibleEntry" WHERE id = ANY(%s)', (old,))
        _await_beat(whole)
        whole.pipeline.apply_connector()
        seen = whole.enter(20)
        whole.await_counted(seen)
        before = whole.counted(unseen), whole.counted(old)
        mended = whole.mended()

    assert before == (set(), set(old))
    assert mended["CrucibleEntry", "missing"] >= len(unseen)
    assert mended["CrucibleEntry", "left_over"] >= len(old)
    assert whole.counted([*unseen, *old]) == set(unseen)
    whole.await_right()


def test_a_publication_that_is_away_for_a_minute(whole: Whole) -> None:
    """PostgreSQL passes over in silence what is not published."""
    with whole.people() as people:
        with whole.site() as site:
            site.execute("DROP PUBLICATION crucible")
            unseen = whole.enter(40)
            began = people.changes
            site.execute("SELECT pg_sleep(%s)", (AWAY_SECONDS,))  # that long it is away
            meanwhile = people.changes - began
        with whole.pipeline.connect() as connection:
            prepared.publish(connection)
        whole.await_counted(whole.enter(20))
        before = whole.counted(unseen)
        mended = whole.mended()

    assert (before, meanwhile > 0) == (set(), True)
    assert mended["CrucibleEntry", "missing"] >= len(unseen)
    whole.await_right()


def test_a_slot_that_is_dropped(whole: Whole) -> None:
    """While the connector rests, which then knows a place in the log that nobody keeps any more."""
    with whole.people():
        httpx.put(f"{whole.environ['CRUCIBLE_CONNECT__URL']}/connectors/{SLOT}/stop", timeout=30).raise_for_status()
        whole.drop_slot()
        unseen = whole.enter(40)
        _await_beat(whole)
        whole.pipeline.crucible("connector", "delete", "--offsets", "--yes")
        whole.pipeline.apply_connector()
        whole.await_counted(whole.enter(20))
        before = whole.counted(unseen)
        mended = whole.mended()

    assert before == set()
    assert mended["CrucibleEntry", "missing"] >= len(unseen)
    whole.await_right()


def test_the_rest_of_a_copy_and_half_of_a_key_change(whole: Whole) -> None:
    """Records between which Debezium is stopped never come.

    A publication that passes over just these rows stands in for the stop, which has to be hit to the millisecond: the
    first row of the COPY is sent and the others are not; of the changed key the delete is, and the create is not. That
    Debezium itself loses them, and that the same command mends it, is in ``tests/pipeline/test_connect_killed.py``.
    """
    (renamed,) = whole.enter(1)
    whole.await_counted([renamed])
    with whole.people():
        with whole.site() as site:
            (contest,) = site.execute("""SELECT min(id) FROM "Crucible" WHERE name = 'standing'""").fetchone() or (0,)
            site.execute('ALTER PUBLICATION crucible DROP TABLE "CrucibleEntry"')
            site.execute(f'ALTER PUBLICATION crucible ADD TABLE "CrucibleEntry" WHERE (id <= {COPIED[0]})')
            with site.cursor() as cursor, cursor.copy(COPY) as copy:
                for key in COPIED:
                    copy.write_row((key, 1, contest, 1))
            site.execute('UPDATE "CrucibleEntry" SET id = %s WHERE id = %s', (PASSED_OVER, renamed))
            site.execute('ALTER PUBLICATION crucible DROP TABLE "CrucibleEntry"')
            site.execute('ALTER PUBLICATION crucible ADD TABLE "CrucibleEntry"')
        whole.await_counted(whole.enter(20))
        before = whole.counted([*COPIED, PASSED_OVER, renamed])
        mended = whole.mended()

    assert before == {COPIED[0]}
    assert mended["CrucibleEntry", "missing"] >= len(COPIED)
    assert whole.counted([*COPIED, PASSED_OVER, renamed]) == {*COPIED, PASSED_OVER}
    whole.await_right()
