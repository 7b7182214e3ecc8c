"""Two runs at once that see nothing of each other count once, by the identity of what they write."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.program import OwnProgram
from tests.awaiting import await_that
from tests.reconcile.whole.conftest import COMMAND_SECONDS, PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole

NET = """SELECT sum(metricValue) AS net FROM entityMetricEvents
WHERE source = 'CrucibleEntry' AND sourceKey IN {keys:Array(Int64)} AND metricType = 'Entry' GROUP BY sourceKey"""


def _stands_still(program: OwnProgram) -> bool:
    return (
        program.pid is not None and Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    )


@pytest.mark.parametrize(("identities", "net"), [((), 1), (("random",), 2)], ids=["shipped", "random"])
def test_two_runs_at_once(whole: Whole, tmp_path: Path, identities: tuple[str, ...], net: int) -> None:
    """Both decide the same rows before either writes: once with identities as shipped, twice with random ones."""
    environ = {**whole.pipeline.environ, "CRUCIBLE_FAILPOINT": "repair.decided:1:stop"}
    arguments = ("-m", "tests.reconcile.whole.blind", *identities)
    runs = [OwnProgram(f"run-{number}", arguments, tmp_path, environ) for number in range(2)]
    with whole.people():
        with whole.unpublished("CrucibleEntry"):
            unseen = whole.enter(40)
        whole.await_counted(whole.enter(20))
        try:
            for run in runs:
                run.start()
            await_that(
                lambda: all(map(_stands_still, runs)), "both to have decided", PATIENCE_SECONDS, runs[0].last_words
            )
            for run in runs:
                run.send(signal.SIGCONT)
            codes = {run.wait(COMMAND_SECONDS) for run in runs}
        finally:
            for run in runs:
                run.kill()
        with whole.places() as places:
            nets = Counter(int(one) for (one,) in places.clickhouse.query(NET, parameters={"keys": unseen}).result_rows)

        assert codes <= {0, 1}, runs[0].last_words()
        assert nets == {net: len(unseen)}
        whole.mended()
    whole.await_right()
