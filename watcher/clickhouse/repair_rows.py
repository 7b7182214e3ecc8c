"""The metric events of repairs, as a planned insert has to know them."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from watcher.clickhouse.change_rows import ChangeRows
from watcher.clickhouse.planned_table import Question
from watcher.model.metric_columns import SOURCE, SOURCE_KEY
from watcher.model.metric_rows import MetricRows


class RepairRows(ChangeRows):
    """``entityMetricEvents``, written by who mends counts, and found again by the rows that they are about."""

    def question(self, batches: Sequence[MetricRows]) -> Question:
        """Ask for the identities of all repairs of these rows."""
        rows = [*chain.from_iterable(batches)]
        return Question(
            "present_repairs",
            {"sources": sorted({row[SOURCE] for row in rows}), "keys": sorted({row[SOURCE_KEY] for row in rows})},
        )


REPAIRS: Final = RepairRows()
