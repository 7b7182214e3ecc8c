"""The tables were full before anybody watched them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reconcile.whole.conftest import FILLED

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole


def test_a_first_start_on_filled_tables(topology: Whole) -> None:
    """A snapshot counts nothing, for it cannot tell what was counted before; a command counts each row once."""
    with topology.site() as site:
        there = [key for (key,) in site.execute("""SELECT id FROM "CrucibleEntry" WHERE "userId" = 1""")]
    before = topology.counted(there)
    with topology.people():
        topology.await_counted(topology.enter(20))
        mended = topology.mended()

    assert len(there) == 3 * FILLED
    assert before == set()
    assert mended["CrucibleEntry", "missing"] >= 3 * FILLED
    assert sum(rows for (table, _), rows in mended.items() if table == "Crucible") >= 3  # or elsewhere: handed over
    topology.await_right()
