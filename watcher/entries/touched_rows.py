"""Collects what the change stream tells of entries and crucibles: which rows have come, changed or gone."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from watcher.model.effects import CrucibleState
from watcher.model.row_state import RowStates

MANY_ROWS: Final = 1_000
"""Rows of one poll above which the stream is catching up. Fewer: a busy site's entries are decided later; more: who
catches up asks about what will have to be looked at as a whole."""
MAX_TOLD: Final = 10_000
"""Entries and crucibles that may wait to be looked at; beyond that everything is."""


@dataclass(slots=True)
class RowIds:
    """Ids of rows that have come, changed or gone."""

    entries: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    crucibles: set[int] = field(default_factory=set)

    def add(self, others: "RowIds") -> None:
        """Take in the rows of others, which stay as they are."""
        self.entries |= others.entries
        self.gone |= others.gone
        self.crucibles |= others.crucibles

    def __len__(self) -> int:
        """Return how many rows this is."""
        return len(self.entries) + len(self.gone) + len(self.crucibles)


class TouchedRows:
    """Rows that were told of and not taken yet; it forgets them all, and says so, once there are too many."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: RowIds | None = RowIds()

    def add(self, states: RowStates) -> bool:
        """Add what a poll has shown, called by the change stream's thread; return whether that was anything.

        Verdicts come back as rows as well; to decide because of them would never end.
        """
        new = RowIds()
        for crucible_id, change in states.items():
            if change.has(CrucibleState.kind):
                new.crucibles.add(crucible_id)
            new.gone.update(change.gone())
            new.entries.update(entry for entry, _ in change.living())
        with self._lock:  # as a whole: who takes them meanwhile would not look at what is added afterwards
            if self._rows is not None:
                self._rows.add(new)
                if len(self._rows) > MAX_TOLD:
                    self._rows = None
        return bool(new)

    @property
    def are_many(self) -> bool:
        """Return whether more wait than come while the stream is where the site is."""
        with self._lock:
            return self._rows is None or len(self._rows) > MANY_ROWS

    def take(self) -> RowIds | None:
        """Return those that were told of since the last time; None if everything has to be looked at."""
        with self._lock:
            rows, self._rows = self._rows, RowIds()
        return rows
