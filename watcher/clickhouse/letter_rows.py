"""The metric events of dead letters, as a planned insert has to know them."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from watcher.clickhouse.change_rows import ChangeRows
from watcher.clickhouse.planned_table import Question
from watcher.model.metric_rows import MetricRows


class LetterRows(ChangeRows):
    """``entityMetricEvents``, written by who takes dead letters again, which may lie anywhere in the log."""

    def question(self, batches: Sequence[MetricRows]) -> Question:
        """Ask for the identities at exactly these places of the log: what lies between two letters may be much."""
        return Question("present_at", {"lsns": sorted(set(chain.from_iterable(rows.lsns for rows in batches)))})


LETTERS: Final = LetterRows()
