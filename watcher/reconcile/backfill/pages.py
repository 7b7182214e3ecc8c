"""Compares the rows of a page of keys with what was counted of them: rows that are there, and keys between them.

Nothing is added up beforehand, as :mod:`watcher.reconcile.rows.table` does it: of a table that was never counted every
range differs. A page's keys are one range, so that both stores are asked once a look, whatever lies between.
"""

from collections.abc import Sequence

from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable
from watcher.postgres.counted_rows import CountedRows
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.rows.row_by_row import RowByRow


class PageComparison:
    """Compares one table by pages of keys.

    Args:
        table: which.
        rows: its rows.
        reads: asks ClickHouse.
    """

    def __init__(self, table: CountedTable, rows: CountedRows, reads: ClickHouseReads) -> None:
        self._table, self._rows, self._reads = table, rows, reads
        self._row_by_row = RowByRow(table, rows, reads)

    def differing(self, low: int, high: int) -> list[Difference]:
        """Return what differs of the keys from ``low`` to below ``high``, at this moment.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: a neighbour is away.
        """
        return self._row_by_row.of_range(self._rows, low, high)

    def bounded(self, low: int, high: int, most: int) -> int:
        """Return where to stop before ``high`` so that no more than ``most`` keys were counted from ``low`` on, about.

        A table that was emptied has all its counts in the place of one page.

        Raises:
            TemporaryError: ClickHouse is away.
        """
        while True:
            asked = {"source": self._table.name, "low": low, "high": high}
            ((keys, lowest, highest),) = self._reads("counted_keys", asked)
            if int(keys) <= most or int(lowest) == int(highest):
                return high
            high = (int(lowest) + int(highest)) // 2 + 1

    def of_keys(self, keys: Sequence[int]) -> list[Difference]:
        """Return what differs by now of some rows, by key.

        Raises:
            TemporaryError: a neighbour is away.
        """
        if not keys:
            return []
        asked = set(keys)
        return [one for one in self.differing(min(keys), max(keys) + 1) if one.key in asked]

    def of_scattered(self, keys: Sequence[int]) -> list[Difference]:
        """Return what differs by now of some thousands of rows that lie anywhere, by key; raises as above."""
        return self._row_by_row.of_keys(self._rows, keys)
