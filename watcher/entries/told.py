"""What the change stream tells those who decide about entries: which rows are others than before."""

from dataclasses import dataclass, field
from typing import Final

from watcher.model.effects import CrucibleState
from watcher.model.row_state import RowStates

MAX_TOLD: Final = 10_000
"""Entries and crucibles that may wait to be looked at; beyond that everything is."""


@dataclass(slots=True)
class Rows:
    """Ids of rows that have come, changed or gone."""

    entries: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    crucibles: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        """Return how many rows this is."""
        return len(self.entries) + len(self.gone) + len(self.crucibles)


class Told:
    """Rows that somebody told of; forgets them all, and says so, once there are too many."""

    def __init__(self) -> None:
        self._rows: Rows | None = Rows()

    def add(self, states: RowStates) -> bool:
        """Add what a poll has shown, called by the change stream's thread; return whether that was anything.

        Verdicts come back as rows as well; to decide because of them would never end.
        """
        rows, any_there = self._rows, False
        for crucible_id, change in states.items():
            own = change.has(CrucibleState.kind)
            any_there = any_there or own or bool(change.entries)
            if rows is None:
                continue
            if own:
                rows.crucibles.add(crucible_id)
            rows.gone.update(change.gone())
            rows.entries.update(entry for entry, _ in change.living())
        if rows is not None and len(rows) > MAX_TOLD:
            self._rows = None
        return any_there

    def take(self) -> Rows | None:
        """Return those that were told of since the last time; None if everything has to be looked at."""
        rows, self._rows = self._rows, Rows()
        return rows
