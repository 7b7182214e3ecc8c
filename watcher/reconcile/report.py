"""What a comparison found, as people and programs read it."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from watcher.reconcile.differences import Difference
from watcher.reconcile.events import TwiceReport, ViewReport

EXAMPLES: Final = 3
"""Differences of each kind that are named."""


class TableReport(msgspec.Struct, frozen=True):
    """What differs between a table's rows and what was counted of them."""

    table: str
    ranges: int
    """Ranges of keys whose sums differed, and that were read row by row."""
    kinds: dict[str, int]
    """Kind of difference -> rows."""
    examples: tuple[Difference, ...]


class Report(msgspec.Struct, frozen=True):
    """What a comparison of tables, and of metric events with themselves, found."""

    tables: tuple[TableReport, ...]
    twice: tuple[TwiceReport, ...]
    views: tuple[ViewReport, ...]

    @property
    def finds_nothing(self) -> bool:
        """Return whether everything agrees."""
        return not (any(one.kinds for one in self.tables) or self.twice or self.views)


class TableSummary:
    """Adds up the differences of a table without keeping them."""

    def __init__(self, table: str) -> None:
        self._table, self._ranges = table, 0
        self._kinds: Counter[str] = Counter()
        self._examples: list[Difference] = []

    def add(self, found: Iterable[Difference]) -> None:
        """Add the differences of one range."""
        self._ranges += 1
        for one in found:
            self._kinds[one.kind.value] += 1
            if self._kinds[one.kind.value] <= EXAMPLES:
                self._examples.append(one)

    def report(self) -> TableReport:
        """Return what it came to."""
        return TableReport(self._table, self._ranges, dict(sorted(self._kinds.items())), tuple(self._examples))
