"""One table in a run of the command: compared, put right where that is wanted, and looked at once more.

What was lost of a row and what is on its way of it may cancel each other out: a row that was never counted and is being
deleted, one whose deletion was lost and that is made anew. It looks right in that moment. So whatever has come in since
the run began is looked at again once the stream has brought what was on its way.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from watcher.reconcile.command.report import TableReport, TableSummary
from watcher.reconcile.command.resumption import TableProgress
from watcher.reconcile.repairs.repairer import BATCH_KEYS, Repairer
from watcher.reconcile.rows.choice import Choice
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.rows.table import RangesListener, TableComparison

MAX_RANGE: Final = 1 << 62
"""Behind the last range of any table."""


class TableRun:
    """Compares a table, from where an earlier run was.

    Args:
        comparison: of the table.
        repairer: puts right what differs; None: it is only told.
        name: the table's.
        place: how far an earlier run was.
    """

    def __init__(
        self, comparison: TableComparison, repairer: Repairer | None, *, name: str, place: TableProgress
    ) -> None:
        goes_on = place.done or place.following > 0  # where keys are below 0, a part cannot begin
        self.name, self.is_compared = name, place.done
        self._comparison, self._repairer, self._first = comparison, repairer, place.following if goes_on else 0
        self._summary = TableSummary(name, place.report if goes_on else None)
        self._left = dict(place.left) if goes_on else {}

    @property
    def place(self) -> TableProgress:
        """Return how far it is, to be gone on with."""
        return TableProgress(self._comparison.following, self.report, done=self.is_compared, left=dict(self._left))

    @property
    def report(self) -> TableReport:
        """Return what was found so far."""
        return self._summary.report(self._comparison.too_old, self._comparison.kept_since)

    def compare(self, progress: RangesListener, choice: Choice) -> None:
        """Compare what is left of the table.

        Args:
            progress: told how far it is.
            choice: only these rows.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            StreamStandsError: something is to be put right, and the stream does not go on.
            TemporaryError: a neighbour is away.
        """
        if self._repairer:
            self._repairer.finish_open()
        part = range(self._first, MAX_RANGE) if self._first else None
        for _, found in self._comparison.differing(progress, part, choice):
            self._summary.add(self._put_right(found))
        self.is_compared = True

    def look_again(self, come: Iterable[Sequence[int]]) -> None:
        """Look again at some rows, and at those that may still be wrong; what differs is put right.

        Args:
            come: keys of which a change has come in since the run began, some at a time.

        Raises:
            StreamStandsError: the stream does not go on.
            TemporaryError: a neighbour is away.
        """
        left, self._left = self._left, {}
        self._summary.take_back(Counter(left.values()))  # found again, if it still is
        found = self._comparison.of_keys(sorted(left))
        for keys in come:
            found += self._comparison.of_keys([key for key in keys if key not in left])
            if len(found) >= BATCH_KEYS:
                self._add(found)
                found = []
        self._add(found)

    def _add(self, found: Sequence[Difference]) -> None:
        if real := self._put_right(self._comparison.lasting(found)):
            self._summary.add(real)

    def _put_right(self, found: Sequence[Difference]) -> Sequence[Difference]:
        """Put differences right where that is wanted; return those that were real, and those that may be."""
        if not (self._repairer and found):
            return found
        mended = self._repairer.mend(found)
        self._left.update(mended.left)
        self._summary.add_mended(mended.kinds)
        return [one for one in found if one.key in mended.rows or one.key in mended.left]
