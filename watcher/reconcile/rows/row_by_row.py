"""Compares rows with what was counted of them, row by row, but for rows of which metric events have expired.

What was counted back more than there is may be of an older row, whose creation has expired. It is none if the row was
seen since, or was made since: its key is above all that rows had at a moment of the days that are compared, and nothing
was counted of it before.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.expiry import kept_since
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable, Total
from watcher.postgres.counted_rows import TOO_OLD, Counted, CountedRows
from watcher.postgres.own.key_mark import KeyMark
from watcher.reconcile.rows.differences import Difference, difference, differences

PIECE_KEYS: Final = 5_000
"""Keys that are looked at in one question: ClickHouse takes 128 KiB for a parameter."""
MAX_SEEN: Final = 1 << 17
"""Rows that are remembered to be young. Fewer: of those that were found before, and have gone, some may be old ones."""

_Row = tuple[int, str, str, int, int, int]
"""Key, entity type, metric type, entity, user, value."""


class RowByRow:
    """Compares rows of one table, as they are when it is asked.

    Args:
        table: which.
        rows: knows how high its keys went.
        reads: asks ClickHouse.
    """

    def __init__(self, table: CountedTable, rows: CountedRows, reads: ClickHouseReads) -> None:
        self._table, self._rows, self._reads = table, rows, reads
        self._seen = set[int]()
        self._metrics = {
            table.number(one.entity_type, one.metric_type): (one.entity_type, one.metric_type) for one in table.counts
        }

    @cached_property
    def kept_since(self) -> datetime | None:
        """Return from which day on rows are compared, in UTC; None: all are.

        What is older, ClickHouse has taken away, or is about to: rows that were made before, and what was counted then.
        """
        return kept_since(self._reads, CHANGES.name)

    @cached_property
    def _mark(self) -> KeyMark | None:
        """Return how high keys went when what is compared begins, or at the first moment after it that is known."""
        return None if self.kept_since is None else self._rows.marked(self.kept_since)

    @cached_property
    def events(self) -> dict[str, Any]:
        """Return which metric events are compared, as parameters of queries."""
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
        there: list[_Row] = []
        first: dict[_Row, int] = {}
        for *what, at_ms in counted:
            one: _Row = tuple(what)
            there.append(one)
            if one[-1] < 0:
                first[one] = at_ms
        once = set(wanted)
        wrong = {one[0] for one in (once ^ set(there) if len(once) == len(wanted) else wanted + there)} - too_old
        found = differences(_totals(wanted, wrong), _totals(there, wrong))
        if self.kept_since is None:
            return list(found)
        return [known for one in found if (known := self._known(one, first)) is not None]

    def _known(self, found: Difference, first: Mapping[_Row, int]) -> Difference | None:
        """Return what is surely wrong with a row of which old metric events may have expired; None: nothing is.

        Args:
            found: what looks wrong.
            first: since when something was counted back, where that is more than is there, in milliseconds.
        """
        if found.expected:
            if len(self._seen) >= MAX_SEEN:
                self._seen.clear()
            self._seen.add(found.key)
            return found
        counted = {
            (entity_type, entity, user, metric_type): net
            for (entity_type, entity, user, metric_type), net in found.counted.items()
            if net > 0
            or found.key in self._seen
            or self._is_young(found.key, first[found.key, entity_type, metric_type, entity, user, net])
        }
        return difference(found.key, {}, counted) if counted else None

    def _is_young(self, key: int, first_ms: int) -> bool:
        """Return whether a row was made on a day that is compared, given when something of it was first counted."""
        return self._mark is not None and key > self._mark.highest and first_ms > ms(self._mark.at)


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
