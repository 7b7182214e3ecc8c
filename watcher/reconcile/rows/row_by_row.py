"""Compares rows with what was counted of them, row by row, but for rows of which metric events have expired."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.expiry import kept_since
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable, Total
from watcher.postgres.counted_rows import TOO_OLD, Counted, CountedRows
from watcher.reconcile.rows.differences import Difference, differences

_Row = tuple[int, str, str, int, int, int]
"""Key, entity type, metric type, entity, user, value."""


class RowByRow:
    """Compares rows of one table, as they are when it is asked.

    Args:
        table: which.
        reads: asks ClickHouse.
    """

    def __init__(self, table: CountedTable, reads: ClickHouseReads) -> None:
        self._table, self._reads = table, reads
        self._metrics = {
            table.number(one.entity_type, one.metric_type): (one.entity_type, one.metric_type) for one in table.counts
        }

    @cached_property
    def kept_since(self) -> datetime | None:
        """From which day on rows are compared, in UTC; None: all are.

        What is older, ClickHouse has taken away, or is about to: rows that were made before, and what was counted then.
        """
        return kept_since(self._reads, CHANGES.name)

    @cached_property
    def events(self) -> dict[str, Any]:
        """Which metric events are compared, as parameters of queries."""
        return {"source": self._table.name, "kept_since": 0 if self.kept_since is None else ms(self.kept_since)}

    def of_range(self, rows: CountedRows, low: int, high: int) -> list[Difference]:
        """Return what differs of the keys from ``low`` to below ``high``, by key.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: a neighbour is away.
        """
        counted = self._reads("counted_of_range", {**self.events, "low": low, "high": high})
        return self._differing(rows.of_range(low, high, self.kept_since), counted)

    def of_keys(self, rows: CountedRows, keys: Sequence[int]) -> list[Difference]:
        """Return what differs of some keys, by key; raises as :meth:`of_range` does."""
        counted = self._reads("counted_of_keys", {**self.events, "keys": list(keys)})
        return self._differing(rows.of_keys(keys, self.kept_since), counted)

    def _differing(self, rows: Iterable[Counted], counted: Iterable[Sequence[Any]]) -> list[Difference]:
        too_old, wanted = set[int](), list[_Row]()
        for key, metric, entity, user, value in rows:
            if metric == TOO_OLD:
                too_old.add(key)
            else:
                wanted.append((key, *self._metrics[metric], entity, user, value))
        there: list[_Row] = [tuple(one) for one in counted]
        once = set(wanted)
        wrong = {one[0] for one in (once ^ set(there) if len(once) == len(wanted) else wanted + there)} - too_old
        found = differences(_totals(wanted, wrong), _totals(there, wrong))
        if self.kept_since is None:
            return list(found)
        # What was counted back more than there is was counted before, of a row that is older and gone.
        return [one for one in found if one.expected or min(one.counted.values()) > 0]


def _totals(rows: Iterable[_Row], keys: set[int]) -> dict[int, Counter[Total]]:
    """Return what some keys' rows add up to."""
    gathered: dict[int, Counter[Total]] = defaultdict(Counter)
    for key, entity_type, metric_type, entity, user, value in rows:
        if key in keys:
            gathered[key][entity_type, entity, user, metric_type] += value
    return gathered


def ms(moment: datetime) -> int:
    """Return a moment in milliseconds since 1970."""
    return round(moment.timestamp() * 1000)
