"""Functions that are called with what a poll came to."""

from collections.abc import Callable
from dataclasses import dataclass

from watcher.model.effects import ReconcileNeeded
from watcher.model.row_state import RowStates


def _ignore(_: object = None) -> None:
    """Do nothing: stands in the place of a function that was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """What is to follow from what the loop does, a function for each; one that is left out does nothing.

    All of it is called in the loop's thread, and must return at once: whatever waits for somebody or asks a neighbour
    is to be handed to a thread of its own. What is heard is lost in a crash, so it may hasten a consequence, never be
    the only cause of it.
    """

    turned: Callable[[], None] = _ignore
    """The loop is alive; called several times a second, also while a neighbour is away."""
    shown: Callable[[RowStates], None] = _ignore
    """The state sink shows these rows from now on."""
    absent: Callable[[frozenset[int]], None] = _ignore
    """The state sink does not hold these crucibles, though entries came for them."""
    emptied: Callable[[str], None] = _ignore
    """Somebody has emptied a table as a whole, which names no rows; each time it is heard of."""
    reconcile: Callable[[ReconcileNeeded], None] = _ignore
    """Only a comparison with PostgreSQL can tell a table's counts; heard once until somebody has compared."""
