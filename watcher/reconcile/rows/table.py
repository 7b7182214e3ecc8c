"""Compares a table's rows in PostgreSQL with what was counted of them in ClickHouse.

Ranges of keys are compared by their sums first, and only those that differ are read row by row. What differs then is
looked at again until it stays as it is: a change may be on its way. Memory is that of some ranges, and so is the load
on the site's database: one question at a time, each of about a second.

Ranges may be read from a replica, which is behind. So whatever differs is looked at once more where rows are written,
and that alone is told and mended.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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
from watcher.reconcile.rows.row_by_row import RowByRow, ms

RANGE_KEYS: Final = 1 << 16
"""Keys of a range. More: a difference has more rows read; fewer: more sums."""
CHOSEN_RANGES: Final = 16
"""Ranges whose chosen keys are held at once: a million keys at most."""
MIN_KEY: Final = -(2**63)
MAX_KEY: Final = 2**63 - 1
"""The lowest and the highest key that a row can have: both stores hold keys in 64 bits."""
PIECE_KEYS: Final = 5_000
"""Keys that are looked at in one question: ClickHouse takes 128 KiB for a parameter."""
HELD_DIFFERENCES: Final = 1 << 16
"""Differences that are held until they are looked at again. More: more memory, a kilobyte each; fewer: more waits."""
SUMS_SECONDS: Final = 60.0
SUMS_FACTOR: Final = 10.0
"""Sums of what was counted are asked for anew when they are a minute old, and ten times as old as it took to get them.
Sooner: ClickHouse is asked all the time; later: more ranges have changed meanwhile, and are read row by row."""
MAX_LOOKS: Final = 15
LOOK_SECONDS: Final = 2.0
"""Looks, and seconds between two of them, until a difference that changes is told as it is. Fewer or shorter: what is
on its way from PostgreSQL to ClickHouse is told as a difference."""

MAX_LASTING_LOOKS: Final = 5
"""The same, until what has not stayed as it is goes to whoever confirms it, which takes the stream several times."""

RangeDifferences = tuple[int, list[Difference]]
"""Number of a range, and what differs in it."""


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
        self._pause, self._size, self._pace, self._looks = pause, range_keys, Pace(), looks
        self._row_by_row = RowByRow(table, rows, reads)
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
        yield from self._settled((one, self._of_range(self._reader, one)) for one in below)
        low = first
        while low < end:
            after, sums = self._some_sums(low, end)
            if time.monotonic() - asked_at > max(SUMS_SECONDS, SUMS_FACTOR * took):
                counted, asked_at, took = self._sums_counted(low, None if beyond else end)
            wrong = [one for one in range(low, after) if not same(sums.get(one, (0, 0))[0], counted.get(one, 0))]
            self.too_old += sum(too_old for _, too_old in sums.values())
            yield from self._settled((one, self._of_range(self._reader, one)) for one in wrong)
            self.following = after
            if after < end:
                progress(after - first, whole)
                if not sums:  # ids may have gaps of any size
                    follows = self._over_gap(after, counted)
                    after = end if follows is None else min(end, follows)
            low = after
        if beyond:
            over = sorted(one for one, total in counted.items() if not same(total, 0) and one >= max(first, end))
            yield from self._settled((one, self._of_range(self._reader, one)) for one in over)
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
            yield from self._settled(
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

    def _settled(self, ranges: Iterable[RangeDifferences]) -> Iterator[RangeDifferences]:
        """Yield what still differs once it stays as it is, looking again at some ranges together."""
        held: list[RangeDifferences] = []
        for one in ranges:
            held.append(one)
            if sum(len(found) for _, found in held) >= HELD_DIFFERENCES:
                yield from self._looked_at_again(held)
                held = []
        yield from self._looked_at_again(held)

    def _looked_at_again(self, held: list[RangeDifferences]) -> Iterator[RangeDifferences]:
        """Yield the differences that stay as they are from one look to the next, where rows are written.

        Of a row that changes all the time, that is what was wrong with it at two looks one after the other.
        """
        first = 0 if self._reader is self._rows else -1  # what a replica shows may be old: it is no look
        stayed: dict[int, Difference] = {}
        for look in range(first, self._looks):
            if not any(found for _, found in held):
                break
            if look >= 0:
                self._pause(LOOK_SECONDS)
            again = self._again(held)
            if again == held and look >= 0:
                break
            if look >= 0:
                stayed |= _same(held, again)
            held = again
        for number, found in held:
            yield number, [stayed.get(one.key, one) for one in found]

    def _again(self, held: Sequence[RangeDifferences]) -> list[RangeDifferences]:
        """Return which of the differences are still there, as they are now."""
        few = [one.key for _, found in held if len(found) <= PIECE_KEYS for one in found]
        by_key = {one.key: one for one in self.of_keys(few)}
        again = list[RangeDifferences]()
        for number, found in held:
            if len(found) > PIECE_KEYS:  # one question for the range is cheaper than one for each few of its keys
                by_key |= {one.key: one for one in self._of_range(self._rows, number)}
            again.append((number, [by_key[one.key] for one in found if one.key in by_key]))
        return again

    def lasting(self, found: Sequence[Difference]) -> Sequence[Difference]:
        """Return what is left of some differences where rows are written, once what was on its way has had its chance.

        Raises:
            TemporaryError: a neighbour is away.
        """
        for _ in range(MAX_LASTING_LOOKS):
            if not found:
                break
            self._pause(LOOK_SECONDS)
            again = self.of_keys([one.key for one in found])
            if again == found:
                break
            found = again
        return found

    def of_keys(self, keys: Sequence[int]) -> list[Difference]:
        """Return what differs by now of some rows, where they are written, by key.

        Raises:
            TemporaryError: a neighbour is away.
        """
        pieces = (keys[first : first + PIECE_KEYS] for first in range(0, len(keys), PIECE_KEYS))
        return [one for piece in pieces for one in self._row_by_row.of_keys(self._rows, piece)]


def _same(before: Iterable[RangeDifferences], again: Iterable[RangeDifferences]) -> Iterator[tuple[int, Difference]]:
    """Yield the differences that both looks found, by key."""
    was = {one.key: one for _, found in before for one in found}
    for _, found in again:
        yield from ((one.key, one) for one in found if was.get(one.key) == one)
