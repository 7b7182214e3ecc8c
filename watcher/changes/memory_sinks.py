"""Sinks without a server, for tests: what they were given can be read, and each can be made to be away.

They keep what the loop relies on: states that are older than what is shown change nothing, a change's rows are kept
once, an insert under a name that is known is dropped, and letters are durable only when they are flushed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

import msgspec

from watcher.model.dead_letter import DeadLetter
from watcher.model.effects import CrucibleState
from watcher.model.errors import TemporaryError
from watcher.model.metric_columns import SOURCE_ID
from watcher.model.metric_row import MetricRow
from watcher.model.metric_rows import MetricRows
from watcher.model.plan import Plan
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.row_state import RowStates, ShownStates

AWAY: Final = "no answer"
ENTRY: Final = "entry"
"""Kind of an entry's row, which does not say so itself."""
_decode = msgspec.msgpack.Decoder(list[Any]).decode


Mark = tuple[int, int]
"""Number of the history and position in the log."""


@dataclass(slots=True)
class MemoryStates:
    """Row states in memory; see :class:`watcher.changes.sink.StateSink`.

    A crucible is held from the moment its own row is shown, and never forgotten; it is not begun with an end. What
    belongs to others is not kept.
    """

    away: bool = False
    marks: dict[tuple[int, str, int], Mark] = field(default_factory=dict)
    """Place in the log of what is shown of each row: by crucible, kind and, where a crucible has several, id."""
    living: set[tuple[int, int]] = field(default_factory=set)
    """Crucible and entry of each entry that is there."""
    calls: list[RowStates] = field(default_factory=list)
    """What was shown, call by call."""

    def apply(self, states: RowStates, history: int) -> ShownStates:
        """Show the rows.

        Raises:
            TemporaryError: it is away.
        """
        if self.away:
            raise TemporaryError(f"redis: {AWAY}")
        self.calls.append(states)
        came: Counter[_Shown] = Counter()
        for crucible_id, change in states.items():
            came.update(self._show_row(crucible_id, history, row) for row in map(_decode, change.rows))
            for lsn, entry_id, lives in change.entry_states():
                shown = self._show(crucible_id, ENTRY, entry_id, (history, lsn))
                came[shown] += 1
                if shown is _Shown.NEW:
                    (self.living.add if lives else self.living.discard)((crucible_id, entry_id))
        absent = frozenset(one for one, change in states.items() if change.entries and not self.holds(one))
        return ShownStates(came[_Shown.NEW], came[_Shown.STALE], came[_Shown.NOWHERE], absent)

    def holds(self, crucible_id: int) -> bool:
        """Return whether the crucible's own row is shown."""
        return (crucible_id, CrucibleState.kind, 0) in self.marks

    def close(self) -> None:
        """Keep everything: there is nothing to give back."""

    def _show_row(self, crucible_id: int, history: int, row: Sequence[Any]) -> "_Shown":
        kind, lsn, first, *_ = row
        if kind != CrucibleState.kind:
            return self._show(crucible_id, kind, first, (history, lsn))
        ends = first != 0  # seconds to keep it
        if ends and not self.holds(crucible_id):
            return _Shown.NOWHERE
        return self._mark((crucible_id, kind, 0), (history, lsn))

    def _show(self, crucible_id: int, kind: str, row_id: int, mark: Mark) -> "_Shown":
        return self._mark((crucible_id, kind, row_id), mark) if self.holds(crucible_id) else _Shown.NOWHERE

    def _mark(self, row: tuple[int, str, int], mark: Mark) -> "_Shown":
        if self.marks.get(row, (0, -1)) >= mark:
            return _Shown.STALE
        self.marks[row] = mark
        return _Shown.NEW


class _Shown(Enum):
    NEW = auto()
    STALE = auto()
    NOWHERE = auto()


@dataclass(slots=True)
class MemoryRows:
    """Metric rows in memory; see :class:`watcher.changes.sink.RowSink`."""

    away: bool = False
    rows: list[MetricRow] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    """Those that were carried out, in their order."""
    tokens: set[str] = field(default_factory=set)

    def present(self, batches: Sequence[MetricRows]) -> set[bytes]:  # noqa: ARG002 - whatever is there is near
        """Return the identities of all changes that are there.

        Raises:
            TemporaryError: it is away.
        """
        self._ask()
        return {row[SOURCE_ID] for row in self.rows}

    def write(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None], present: set[bytes]) -> PlanOutcome:
        """Keep the rows whose changes are not there yet.

        Raises:
            TemporaryError: it is away.
        """
        missing = [row for row in rows if row[SOURCE_ID] not in present]
        before_send()
        self._ask()
        if plan.token not in self.tokens:
            self.rows += missing
        self.tokens.add(plan.token)
        self.plans.append(plan)
        return PlanOutcome.WRITTEN if missing or not rows else PlanOutcome.REPEATED

    def recover(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None]) -> PlanOutcome:
        """Keep the rows whose changes are not there yet, of a plan that may have been written.

        Raises:
            TemporaryError: it is away.
        """
        self.write(plan, rows, before_send, self.present([rows]))
        return PlanOutcome.RECOVERED

    def close(self) -> None:
        """Keep everything: there is nothing to give back."""

    def _ask(self) -> None:
        if self.away:
            raise TemporaryError(f"clickhouse: {AWAY}")


@dataclass(slots=True)
class MemoryDeadLetters:
    """Dead letters in memory; see :class:`watcher.changes.sink.DeadLetterSink`."""

    away: bool = False
    taken: list[DeadLetter] = field(default_factory=list)
    """Those that are not durable yet."""
    durable: list[DeadLetter] = field(default_factory=list)

    def send(self, letters: Iterable[DeadLetter]) -> None:
        """Take letters; they are durable only after :meth:`flush`."""
        self.taken += letters

    def flush(self, timeout: float = 0.0) -> None:  # noqa: ARG002 - it is done at once, or it is away
        """Make the letters durable.

        Raises:
            TemporaryError: it is away.
        """
        if self.away:
            raise TemporaryError(f"dead letters: {AWAY}")
        self.durable += self.taken
        self.taken.clear()

    def close(self) -> None:
        """Give up what is not durable."""
        self.taken.clear()
