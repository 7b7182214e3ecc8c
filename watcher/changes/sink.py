"""Where the loop's effects go: row states to be shown, rows to be counted once, refused records to be kept.

The sinks that are deployed are in ``watcher/redis``, ``watcher/clickhouse`` and ``watcher/kafka``; those that need no
server in ``memory_sinks.py``.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from watcher.model.dead_letter import DeadLetter
from watcher.model.metric_rows import MetricRows
from watcher.model.plan import Plan
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.row_state import RowStates, ShownStates


class StateSink(Protocol):
    """Shows row states; a state that is shown again, or that is older than what is shown, changes nothing."""

    def apply(self, states: RowStates, history: int) -> ShownStates:
        """Show rows; when this returns all are shown, but for those of crucibles that the sink does not hold.

        Args:
            states: every state of each row that a poll brought.
            history: number of PostgreSQL's history that the log positions belong to.

        Raises:
            TemporaryError: the sink is away. Some may be shown; applying again is harmless.
        """
        ...

    def close(self) -> None:
        """Close the connections to the store."""
        ...


class RowSink(Protocol):
    """Keeps metric rows, each change's once, in batches that have a name. Used by one thread."""

    def present(self, batches: Sequence[MetricRows]) -> set[bytes]:
        """Return the identities of the batches' changes that are there already, and maybe of others near them.

        Raises:
            TemporaryError: the sink is away.
        """
        ...

    def write(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None], present: set[bytes]) -> PlanOutcome:
        """Write a plan that nobody has tried to write before.

        Args:
            plan: names the rows.
            rows: the rows of the plan's records.
            before_send: called right before anything is sent; raises when the plan is not ours any more.
            present: identities that are there already.

        Raises:
            TemporaryError: the outcome is unknown; go on with ``recover``.
        """
        ...

    def recover(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None]) -> PlanOutcome:
        """Write a plan that somebody, perhaps this process, may have written.

        Raises:
            TemporaryError: the outcome is unknown again; call again.
        """
        ...

    def close(self) -> None:
        """Close the connection to the store."""
        ...


class DeadLetterSink(Protocol):
    """Keeps records that were refused, byte for byte, until somebody looks at them."""

    def send(self, letters: Iterable[DeadLetter]) -> None:
        """Take letters. They are durable only when ``flush`` has returned."""
        ...

    def flush(self, timeout: float = ...) -> None:
        """Wait, at most so many seconds, until every letter taken so far is durable.

        Raises:
            TemporaryError: some are not yet. Nothing is lost: call again, without sending them again.
        """
        ...

    def close(self) -> None:
        """Give up letters that are not sent; their batch was not acknowledged, so they are read and refused again."""
        ...
