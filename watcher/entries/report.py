"""Metrics and log lines of decisions about entries."""

import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from watcher.model.entry_verdict import EntryReason, VerdictState
from watcher.model.errors import TemporaryError
from watcher.telemetry.metrics.entries import EntryMetrics
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)


class EntryReport:
    """Turns what was decided into metrics and logs.

    Args:
        metrics: the process' metrics.
        look: has somebody look at the images of entries that take part from now on: crucible, entry, image of each.
    """

    def __init__(self, metrics: EntryMetrics, look: Callable[[Sequence[tuple[int, int, int]]], None]) -> None:
        self._metrics, self._look = metrics, look
        self._told = ""

    def decided(self, state: VerdictState, reasons: Iterable[EntryReason], entries: int) -> None:
        """Count entries that got a verdict which is another than before."""
        self._back()
        self._metrics.entry_verdicts.labels(state.value).inc(entries)
        if state is VerdictState.REJECTED:
            for reason in reasons:
                self._metrics.entry_rejections.labels(reason.value).inc(entries)

    def admitted(self, entries: Sequence[tuple[int, int, int]]) -> None:
        """Have the images of entries looked at that take part from now on."""
        self._look(entries)

    def waiting(self, entries: int, oldest_seconds: float) -> None:
        """Show how many entries wait, and since when."""
        self._back()
        self._metrics.entries_waiting.set(entries)
        self._metrics.entries_waiting_since_timestamp.set(time.time() - oldest_seconds)

    def away(self, error: TemporaryError) -> None:
        """Count and log that a neighbour is away or refuses; once until it is back."""
        self._metrics.entry_errors.inc()
        event = event_of(error)
        if event != self._told:
            log.warning(event, neighbour="entries", error=str(error))
        self._told = event

    def _back(self) -> None:
        if self._told:
            log.info("neighbour.back", neighbour="entries")
        self._told = ""
