"""Compares a table's rows in PostgreSQL with what was counted of them in ClickHouse.

Ranges of keys are compared by their sums first, and only those that differ are read row by row. What differs then is
looked at again until it stays as it is: a change may be on its way. Memory is that of some ranges, and so is the load
on the site's database: one question at a time, each of a bounded range.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.checksum import same
from watcher.model.counts import CountedTable, Total
from watcher.postgres.counted_rows import Counted, CountedRows
from watcher.reconcile.differences import Difference, differences

RANGE_KEYS: Final = 1 << 16
"""Keys of a range. More: a difference has more rows read; fewer: more sums."""
STEP_RANGES: Final = 16
"""Ranges of one question to PostgreSQL: a million keys, some seconds at most."""
MAX_KEY: Final = 2**63 - 1
"""The highest key that ClickHouse can hold."""
PIECE_KEYS: Final = 5_000
"""Keys that are looked at again in one question."""
MAX_LOOKS: Final = 15
LOOK_SECONDS: Final = 2.0
"""Looks, and seconds between two of them, until a difference that changes is told as it is. Fewer or shorter: what is
on its way from PostgreSQL to ClickHouse is told as a difference."""


class Progress(Protocol):
    """Hears how far a comparison is."""

    def __call__(self, done: int, whole: int) -> None:
        """So many ranges of so many are compared."""
        ...


class TableComparison:
    """Compares one table.

    Args:
        table: which.
        rows: its rows.
        reads: asks ClickHouse.
        pause: waits for some seconds.
        range_keys: keys of a range.
    """

    def __init__(
        self,
        table: CountedTable,
        rows: CountedRows,
        reads: ClickHouseReads,
        pause: Callable[[float], None] = time.sleep,
        range_keys: int = RANGE_KEYS,
    ) -> None:
        self._table, self._rows, self._reads = table, rows, reads
        self._pause, self._size = pause, range_keys

    def ranges(self) -> int:
        """Return how many ranges the table's rows have, from the one of key 0 on; 0 for an empty table.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: PostgreSQL is away.
        """
        span = self._rows.span()
        return 0 if span is None else span[1] // self._size + 1

    def differing(self, progress: Progress, part: range | None = None) -> Iterator[tuple[int, Sequence[Difference]]]:
        """Yield each range whose sums differ, with what is different in it: perhaps nothing, at a second look.

        Args:
            progress: is told of ranges of the part.
            part: only these ranges, by their number; one that ends at :meth:`ranges` or behind it goes on to whatever
                was counted beyond the last row. None: all.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: a neighbour is away.
        """
        rows_end = self.ranges()
        first = 0 if part is None else part.start
        end = rows_end if part is None else min(part.stop, rows_end)
        beyond = part is None or part.stop >= rows_end
        whole = max(0, end - first)
        for at, number in enumerate(found := self._differing_ranges(first, end, progress, beyond=beyond), 1):
            yield number, self._looked_at_again(self._of_range(number))
            progress(max(0, whole - len(found)) + at, max(whole, len(found)))

    def _differing_ranges(self, first: int, end: int, progress: Progress, *, beyond: bool) -> list[int]:
        counted = self._counted(first, None if beyond else end)
        found = []
        for low in range(first, end, STEP_RANGES):
            after = min(end, low + STEP_RANGES)
            sums = self._rows.checksums(low * self._size, after * self._size, self._size)
            found += [number for number in range(low, after) if not same(sums.get(number, 0), counted.get(number, 0))]
            progress(after - first - len(found), end - first)
        return found + sorted(
            number for number, total in counted.items() if not same(total, 0) and number >= max(first, end)
        )

    def _counted(self, first: int, end: int | None) -> dict[int, int]:
        """Return the sums of what was counted, by range, from one range to below another; None: to the last."""
        parameters = {
            "source": self._table.name,
            "entity_types": list(self._table.entity_types),
            "metric_types": list(self._table.metric_types),
            "size": self._size,
            "low": first * self._size,
            "high": MAX_KEY if end is None else end * self._size - 1,
        }
        return {int(number): int(total) for number, total in self._reads("counted_checksums", parameters)}

    def _of_range(self, number: int) -> list[Difference]:
        low, high = number * self._size, (number + 1) * self._size
        counted = self._reads("counted_of_range", {"source": self._table.name, "low": low, "high": high})
        return list(differences(gathered(self._table, self._rows.of_range(low, high)), totals(counted)))

    def of_keys(self, keys: Sequence[int]) -> list[Difference]:
        """Return what differs by now of some rows, by key.

        Raises:
            TemporaryError: a neighbour is away.
        """
        found: list[Difference] = []
        for first in range(0, len(keys), PIECE_KEYS):
            piece = list(keys[first : first + PIECE_KEYS])
            counted = self._reads("counted_of_keys", {"source": self._table.name, "keys": piece})
            found += differences(gathered(self._table, self._rows.of_keys(piece)), totals(counted))
        return found

    def _looked_at_again(self, found: list[Difference]) -> list[Difference]:
        """Return the differences that stay as they are from one look to the next."""
        for _ in range(MAX_LOOKS):
            if not found:
                break
            self._pause(LOOK_SECONDS)
            again = self.of_keys([one.key for one in found])
            if again == found:
                break
            found = again
        return found


def gathered(table: CountedTable, rows: Iterable[Counted]) -> dict[int, Counter[Total]]:
    """Return, by key, what rows of a table count for."""
    metrics = {
        table.number(one.entity_type, one.metric_type): (one.entity_type, one.metric_type) for one in table.counts
    }
    found: dict[int, Counter[Total]] = defaultdict(Counter)
    for key, metric, entity, user, value in rows:
        entity_type, metric_type = metrics[metric]
        found[key][entity_type, entity, user, metric_type] += value
    return found


def totals(rows: Iterable[Sequence[int | str]]) -> dict[int, Counter[Total]]:
    """Return, by key, what was counted, from ClickHouse's answer."""
    found: dict[int, Counter[Total]] = defaultdict(Counter)
    for key, entity_type, metric_type, entity, user, net in rows:
        found[int(key)][str(entity_type), int(entity), int(user), str(metric_type)] += int(net)
    return found
