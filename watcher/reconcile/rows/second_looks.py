"""What differs of a table's rows, looked at again until it stays as it is: a change may be on its way.

Ranges may be read from a replica, which is behind. So whatever differs is looked at once more where rows are written,
and that alone is told and mended.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from watcher.postgres.counted_rows import CountedRows
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.rows.row_by_row import PIECE_KEYS, RowByRow

HELD_DIFFERENCES: Final = 1 << 16
"""Differences that are held until they are looked at again. More: more memory, a kilobyte each; fewer: more waits."""
MAX_LOOKS: Final = 15
LOOK_SECONDS: Final = 2.0
"""Looks, and seconds between two of them, until a difference that changes is told as it is. Fewer or shorter: what is
on its way from PostgreSQL to ClickHouse is told as a difference."""
MAX_LASTING_LOOKS: Final = 5
"""The same, until what has not stayed as it is goes to whoever confirms it, which takes the stream several times."""

RangeDifferences = tuple[int, list[Difference]]
"""Number of a range, and what differs in it."""


class SecondLooks:
    """Looks again at what differs, where rows are written.

    Args:
        row_by_row: compares rows with what was counted of them.
        rows: the table's, where they are written.
        range_keys: keys of a range.
        pause: waits for some seconds.
        looks: how often, at the most.
        begins_elsewhere: what differs was found on a replica, which may be old: seeing it here is no second look.
    """

    def __init__(
        self,
        row_by_row: RowByRow,
        rows: CountedRows,
        range_keys: int,
        pause: Callable[[float], None],
        looks: int,
        *,
        begins_elsewhere: bool,
    ) -> None:
        self._row_by_row, self._rows, self._size, self._pause, self._looks = row_by_row, rows, range_keys, pause, looks
        self._first = -1 if begins_elsewhere else 0

    def settled(self, ranges: Iterable[RangeDifferences]) -> Iterator[RangeDifferences]:
        """Yield what still differs once it stays as it is, looking again at some ranges together.

        Raises:
            TemporaryError: a neighbour is away.
        """
        held: list[RangeDifferences] = []
        for one in ranges:
            held.append(one)
            if sum(len(found) for _, found in held) >= HELD_DIFFERENCES:
                yield from self._looked_at_again(held)
                held = []
        yield from self._looked_at_again(held)

    def _looked_at_again(self, held: list[RangeDifferences]) -> Iterator[RangeDifferences]:
        """Yield the differences that stay as they are from one look to the next.

        Of a row that changes all the time, that is what was wrong with it at two looks one after the other.
        """
        stayed: dict[int, Difference] = {}
        for look in range(self._first, self._looks):
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
                whole = self._row_by_row.of_range(self._rows, number * self._size, (number + 1) * self._size)
                by_key |= {one.key: one for one in whole}
            again.append((number, [by_key[one.key] for one in found if one.key in by_key]))
        return again

    def lasting(self, found: Sequence[Difference]) -> Sequence[Difference]:
        """Return what is left of some differences, once what was on its way has had its chance.

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
        """Return what differs by now of some rows, by key.

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
