"""What a comparison found, as people and programs read it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from watcher.model.counts import Total
from watcher.reconcile.difference_reports import DifferenceReport
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.rows.events_twice import TwiceReport
from watcher.reconcile.views import ViewReport

EXAMPLES: Final = 3
"""Differences of each kind that are named."""


class Example(msgspec.Struct, frozen=True):
    """One row that differs, in words."""

    key: int
    kind: str
    expected: dict[str, int]
    """Metrics as ``EntityType:entity:user:metricType`` -> what the row counts for."""
    counted: dict[str, int]
    """The same -> what was counted of it."""


class TableReport(msgspec.Struct, frozen=True):
    """What differs between a table's rows and what was counted of them."""

    table: str
    ranges: int
    """Ranges of keys whose sums differed, and that were read row by row."""
    kinds: dict[str, int]
    """Kind of difference -> rows."""
    mended: dict[str, int]
    """Those of them that were put right."""
    examples: tuple[Example, ...]
    too_old: int = 0
    """Rows that were left out: they were made before ``kept_since``."""
    kept_since: datetime | None = None
    """From which day on ClickHouse has every metric event; None: always."""

    @property
    def left(self) -> dict[str, int]:
        """Return what still differs."""
        return {kind: left for kind, rows in self.kinds.items() if (left := rows - self.mended.get(kind, 0))}


class Report(msgspec.Struct, frozen=True):
    """What a comparison of tables, and of metric events with themselves, found."""

    tables: tuple[TableReport, ...]
    twice: tuple[TwiceReport, ...]
    views: tuple[ViewReport, ...]
    votes: tuple[DifferenceReport, ...] = ()
    """What is wrong with votes and their events, kind by kind."""
    unawaited: str = ""
    """Why what was on its way to ClickHouse meanwhile was not looked at once more; empty: it was, or nobody mends."""
    redis: tuple[DifferenceReport, ...] = ()
    """What Redis shows otherwise than PostgreSQL and ClickHouse say, kind by kind."""

    @property
    def finds_nothing(self) -> bool:
        """Return whether everything agrees."""
        left = any(one.left for one in self.tables) or any(one.left for one in (*self.votes, *self.redis))
        twice = any(not one.counted_right for one in self.twice)
        return not (left or twice or any(one.left for one in self.views))


class TableSummary:
    """Adds up the differences of a table without keeping them.

    Args:
        table: its name.
        earlier: what was found before, in the ranges that are not compared again; None: nothing.
    """

    def __init__(self, table: str, earlier: TableReport | None = None) -> None:
        earlier = earlier or TableReport(table, 0, {}, {}, ())
        self._table, self._ranges, self._too_old = table, earlier.ranges, earlier.too_old
        self._kinds, self._mended = Counter(earlier.kinds), Counter(earlier.mended)
        self._examples = list(earlier.examples)

    def add(self, found: Iterable[Difference]) -> None:
        """Add the differences of one range."""
        self._ranges += 1
        for one in found:
            self._kinds[one.kind.value] += 1
            if self._kinds[one.kind.value] <= EXAMPLES:
                self._examples.append(Example(one.key, one.kind.value, _said(one.expected), _said(one.counted)))

    def add_mended(self, kinds: Mapping[str, int]) -> None:
        """Add what was put right, kind by kind."""
        self._mended.update(kinds)

    def take_back(self, kinds: Mapping[str, int]) -> None:
        """Take back what was none: a change was on its way, and has come.

        >>> from watcher.reconcile.rows.differences import DifferenceKind
        >>> summary = TableSummary("Crucible")
        >>> summary.add([Difference(5, DifferenceKind.MISSING, {("User", 7, 7, "crucibleCount"): 1}, {})])
        >>> summary.take_back({"missing": 1})
        >>> summary.report().left
        {}
        """
        self._kinds.subtract(kinds)

    def report(self, too_old: int = 0, kept_since: datetime | None = None) -> TableReport:
        """Return what it came to.

        Args:
            too_old: rows that were left out now.
            kept_since: the day before which rows are left out.
        """
        return TableReport(
            self._table,
            self._ranges,
            dict(sorted((+self._kinds).items())),
            dict(sorted(self._mended.items())),
            tuple(self._examples),
            self._too_old + too_old,
            kept_since,
        )


def _said(counts: Mapping[Total, int]) -> dict[str, int]:
    return {f"{kind}:{entity}:{user}:{metric}": value for (kind, entity, user, metric), value in sorted(counts.items())}
