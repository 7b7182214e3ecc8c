"""Sinks without a server: what they were given can be read, and each can be away for as long as one likes.

They keep what the loop relies on: states that are older than what is shown change nothing, a change's rows are kept
once, an insert under a name that is known is dropped, and letters are durable only when they are flushed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

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
RowT = TypeVar("RowT")


@dataclass(slots=True)
class MemoryStates:
    """Row states in memory; see :class:`watcher.changes.sink.StateSink`.

    A crucible is held from the moment its own row is shown; entries of others are answered, and not kept.
    """

    away: bool = False
    crucibles: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    """Place in the log, as number of the history and position, of each row that is no entry, by crucible and kind."""
    entries: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Likewise of each entry's row, by crucible and entry."""
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
        rows = stale = unshown = 0
        absent = set()
        for crucible_id, change in states.items():
            for kind, lsn, *_ in map(msgspec.msgpack.decode, change.rows):
                newer = self._newer(self.crucibles, (crucible_id, kind), (history, lsn))
                rows, stale = rows + newer, stale + (not newer)
            if (crucible_id, CrucibleState.kind) not in self.crucibles:
                unshown += len(change)
                absent.add(crucible_id)
                continue
            for lsn, entry_id, lives in change.entry_states():
                where = crucible_id, entry_id
                if self._newer(self.entries, where, (history, lsn)):
                    rows += 1
                    (self.living.add if lives else self.living.discard)(where)
                else:
                    stale += 1
        return ShownStates(rows, stale, unshown, frozenset(absent))

    def close(self) -> None:
        """Keep everything: there is nothing to give back."""

    @staticmethod
    def _newer(marks: dict[RowT, tuple[int, int]], row: RowT, mark: tuple[int, int]) -> bool:
        if marks.get(row, (0, -1)) >= mark:
            return False
        marks[row] = mark
        return True


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
        """Take letters."""
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
