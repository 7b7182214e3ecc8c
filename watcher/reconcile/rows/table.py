"""Compares a table's rows in PostgreSQL with what was counted of them in ClickHouse.

Ranges of keys are compared by their sums first, and only those that differ are read row by row. What differs then is
looked at again (:mod:`watcher.reconcile.rows.second_looks`). Memory is that of some ranges, and so is the load on the
site's database: one question at a time, each of about a second.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol

from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.checksum import same
from watcher.model.counts import CountedTable
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.faults import StatementTimeoutError
from watcher.reconcile.rows.choice import Choice
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.rows.pace import Pace
from watcher.reconcile.rows.row_by_row import PIECE_KEYS, RowByRow, ms
from watcher.reconcile.rows.second_looks import MAX_LOOKS, RangeDifferences, SecondLooks

RANGE_KEYS: Final = 1 << 16
"""Keys of a range. More: a difference has more rows read; fewer: more sums."""
CHOSEN_RANGES: Final = 16
"""Ranges whose chosen keys are held at once: a million keys at most."""
MIN_KEY: Final = -(2**63)
MAX_KEY: Final = 2**63 - 1
"""The lowest and the highest key that a row can have: both stores hold keys in 64 bits."""
SUMS_SECONDS: Final = 60.0
SUMS_FACTOR: Final = 10.0
"""Sums of what was counted are asked for anew when they are a minute old, and ten times as old as it took to get them.
Sooner: ClickHouse is asked all the time; later: more ranges have changed meanwhile, and are read row by row."""


class RangesListener(Protocol):
    """Hears how many ranges of a table are compared."""

    def __call__(self, done: int, whole: int) -> None:
        """Hear that ``done`` of ``whole`` ranges are compared, and that what was found in them was yielded."""
        ...


class TableComparison:
    """Compares one table.

    Args:
        table: which.
        rows: its rows, where they are written.
        reads: asks ClickHouse.
        pause: waits for some seconds.
        range_keys: keys of a range.
        reader: its rows, where whole ranges of them may be read: on a replica, say. None: where they are written.
        looks: how often what differs is looked at again, at the most; one will do where it is confirmed later.
    """

    def __init__(
        self,
        table: CountedTable,
        rows: CountedRows,
        reads: ClickHouseReads,
        pause: Callable[[float], None] = time.sleep,
        range_keys: int = RANGE_KEYS,
        *,
        reader: CountedRows | None = None,
        looks: int = MAX_LOOKS,
    ) -> None:
        self._table, self._rows, self._reads, self._reader = table, rows, reads, reader or rows
        self._size, self._pace = range_keys, Pace()
        self._row_by_row = RowByRow(table, rows, reads)
        self._second_looks = SecondLooks(
            self._row_by_row, rows, range_keys, pause, looks, begins_elsewhere=reader is not None and reader is not rows
        )
        self.too_old = 0
        """Rows that were left out so far, as they were made before :attr:`kept_since`."""
        self.following = 0
        """Number of the range that is compared next."""

    @property
    def kept_since(self) -> datetime | None:
        """Return from which day on rows are compared, in UTC; None: all are, for ClickHouse keeps all metric events."""
        return self._row_by_row.kept_since

    def ranges(self) -> int:
        """Return how many ranges the table's rows have, from the one of key 0 on; 0 for an empty table.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: PostgreSQL is away.
        """
        return self._span()[1]

    def highest(self) -> int:
        """Return the highest key by now, where rows are written; 0 where there is none above. Raises as above."""
        return self._rows.highest()

    def _span(self) -> tuple[int, int]:
        """Return the first range, 0 unless there are keys below, and the one behind the last."""
        span = self._reader.span()
        return (0, 0) if span is None else (min(0, span[0] // self._size), max(0, span[1] // self._size + 1))

    def next_range(self, number: int) -> int:
        """Return the first range from one on that has a row, or that anything was counted of; none: that one.

        Ids may have gaps of any size: a row with a very high one, of a test, say, leaves all below it empty.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: a neighbour is away.
        """
        low = number * self._size
        row = self._rows.first_from(low)
        if row is not None and row // self._size == number:
            return number
        ((counted, is_there),) = self._reads("counted_from", {"source": self._table.name, "low": low})
        follows = [row] if row is not None else []
        follows += [int(counted)] if is_there else []
        return min(follows, default=low) // self._size

    def differing(
        self, progress: RangesListener, part: range | None = None, choice: Choice | None = None
    ) -> Iterator[RangeDifferences]:
        """Yield each range whose sums differ, with what is different in it: perhaps nothing, at a second look.

        Args:
            progress: is told of ranges of the part, once what was found in them was yielded.
            part: only these ranges, by their number; one that ends at :meth:`ranges` or behind it goes on to whatever
                was counted beyond the last row, and one that begins with 0 has whatever is below. None: all.
            choice: only these rows. None: all.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: a neighbour is away.
        """
        begin, end = self._span()
        first = begin if part is None or part.start == 0 else part.start
        beyond = part is None or part.stop >= end
        if part is not None:
            end = min(part.stop, end)
        if choice:
            yield from self._chosen(first, end, progress, choice, beyond=beyond)
        else:
            yield from self._by_sums(first, end, progress, beyond=beyond)

    def _of_range(self, rows: CountedRows, number: int) -> list[Difference]:
        return self._row_by_row.of_range(rows, number * self._size, (number + 1) * self._size)

    def _by_sums(self, first: int, end: int, progress: RangesListener, *, beyond: bool) -> Iterator[RangeDifferences]:
        counted, asked_at, took = self._sums_counted(first, None if beyond else end)
        whole = max(0, end - first)
        below = sorted(one for one, total in counted.items() if not same(total, 0) and one < first)
        yield from self._second_looks.settled((one, self._of_range(self._reader, one)) for one in below)
        low = first
        while low < end:
            after, sums = self._some_sums(low, end)
            if time.monotonic() - asked_at > max(SUMS_SECONDS, SUMS_FACTOR * took):
                counted, asked_at, took = self._sums_counted(low, None if beyond else end)
            wrong = [one for one in range(low, after) if not same(sums.get(one, (0, 0))[0], counted.get(one, 0))]
            self.too_old += sum(too_old for _, too_old in sums.values())
            yield from self._second_looks.settled((one, self._of_range(self._reader, one)) for one in wrong)
            self.following = after
            if after < end:
                progress(after - first, whole)
                if not sums:  # ids may have gaps of any size
                    follows = self._over_gap(after, counted)
                    after = end if follows is None else min(end, follows)
            low = after
        if beyond:
            over = sorted(one for one, total in counted.items() if not same(total, 0) and one >= max(first, end))
            yield from self._second_looks.settled((one, self._of_range(self._reader, one)) for one in over)
        progress(whole, whole)

    def _over_gap(self, number: int, counted: Collection[int]) -> int | None:
        """Return the first range from one on that has rows, or of which anything was counted; None: there is none."""
        row = self._reader.first_from(number * self._size)
        follows = [] if row is None else [row // self._size]
        return min([*follows, *(one for one in counted if one >= number)], default=None)

    def _some_sums(self, low: int, end: int) -> tuple[int, dict[int, tuple[int, int]]]:
        """Return the range behind those that about a second is enough for, and the sums of these."""
        while True:
            after, began = min(end, low + self._pace.ranges), time.monotonic()
            try:
                sums = self._reader.checksums(low * self._size, after * self._size, self._size, self.kept_since)
            except StatementTimeoutError:
                if not self._pace.given_up():
                    raise
                continue
            if after - low == self._pace.ranges:
                self._pace.took(time.monotonic() - began)
            return after, sums

    def _sums_counted(self, first: int, end: int | None) -> tuple[dict[int, int], float, float]:
        """Return the sums of what was counted from one range to below another, when that was, and how long it took."""
        asked_at = time.monotonic()
        rows = self._reads(
            "counted_checksums",
            {
                **self._row_by_row.events,
                "entity_types": list(self._table.entity_types),
                "metric_types": list(self._table.metric_types),
                "size": self._size,
                **self._bounds(first if first > 0 else None, end),
            },
        )
        return {int(number): int(total) for number, total in rows}, asked_at, time.monotonic() - asked_at

    def _bounds(self, first: int | None, end: int | None) -> dict[str, int]:
        """Return the lowest and the highest key of some ranges; None: whatever is below, or above."""
        low = MIN_KEY if first is None else first * self._size
        return {"low": low, "high": MAX_KEY if end is None else end * self._size - 1}

    def _chosen(
        self, first: int, end: int, progress: RangesListener, choice: Choice, *, beyond: bool
    ) -> Iterator[RangeDifferences]:
        """Yield what differs of some rows, by ranges."""
        whole, steps = max(0, end - first), CHOSEN_RANGES
        if choice.crucible is not None:
            steps = max(1, whole)  # its rows are found by their crucible, and fit into memory
        new = self._ranges_new_since(choice.since)
        for low, after in self._windows(first, end, steps, new or ()):
            bottom, last = low == first and first <= 0, beyond and after >= end
            keys = self._keys_chosen(None if bottom else low, None if last else after, choice, new)
            pieces = (keys[at : at + PIECE_KEYS] for at in range(0, len(keys), PIECE_KEYS))
            yield from self._second_looks.settled(
                (piece[0] // self._size, self._row_by_row.of_keys(self._reader, piece)) for piece in pieces
            )
            self.following = after
            progress(min(after - first, whole), whole)

    def _windows(self, first: int, end: int, steps: int, counted: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield ranges from one to below another, so many at a time, without gaps; the last is there in any case."""
        low = first
        while low < end:
            after = min(end, low + steps)
            yield low, after
            if after == end:
                return
            follows = self._over_gap(after, counted)
            low = end - 1 if follows is None else min(end - 1, follows)
        yield first, first

    def _ranges_new_since(self, since: datetime | None) -> set[int] | None:
        """Return the ranges of which something was counted since a time; None: whatever."""
        if since is None:
            return None
        asked = {"source": self._table.name, "size": self._size, "since": ms(since)}
        return {int(number) for (number,) in self._reads("ranges_counted", asked)}

    def _keys_chosen(self, first: int | None, end: int | None, choice: Choice, new: set[int] | None) -> list[int]:
        """Return the keys of some ranges that are to be compared, in their order."""
        bounds, crucible = self._bounds(first, end), choice.crucible or 0
        if crucible and self._table.crucible == self._table.key:  # the crucible's own row, which counts for none
            bounds, crucible = {"low": crucible, "high": crucible}, 0
        keys = set(self._reader.keys_chosen(bounds["low"], bounds["high"], choice.crucible, choice.since))
        if new is None or any((first is None or first <= number) and (end is None or number < end) for number in new):
            since = 0 if choice.since is None else ms(choice.since)
            asked = {"source": self._table.name, **bounds, "crucible": crucible, "since": since}
            keys.update(int(key) for (key,) in self._reads("keys_counted", asked))
        return sorted(keys)

    def lasting(self, found: Sequence[Difference]) -> Sequence[Difference]:
        """Return what is left of some differences where rows are written, once what was on its way has had its chance.

        Raises:
            TemporaryError: a neighbour is away.
        """
        return self._second_looks.lasting(found)

    def of_keys(self, keys: Sequence[int]) -> list[Difference]:
        """Return what differs by now of some rows, where they are written, by key.

        Raises:
            TemporaryError: a neighbour is away.
        """
        return self._second_looks.of_keys(keys)
