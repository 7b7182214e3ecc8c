"""Tells of neighbours: a log line when one goes, refuses or is back, and metrics meanwhile."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from watcher.model.errors import RefusedError
from watcher.telemetry.health import Checked
from watcher.telemetry.metrics.process import ProcessMetrics

log = structlog.get_logger(__name__)

AWAY, REFUSES, BACK = "neighbour.away", "neighbour.refuses", "neighbour.back"
"""Log lines, which operators look for."""


def event_of(error: Exception) -> str:
    """Return the log line of a call that failed: whether the neighbour is away, or there and says no."""
    return REFUSES if isinstance(error, RefusedError) else AWAY


@dataclass(slots=True)
class NeighbourReport:
    """Tells of what was found by looking at neighbours, and of what has changed since the look before.

    Args:
        metrics: of the process.
        now: monotonic seconds.
    """

    metrics: ProcessMetrics
    now: Callable[[], float] = time.monotonic
    _gone: dict[str, tuple[str, float]] = field(default_factory=dict)
    """For each neighbour that is away or refuses: what was told of it, and since when."""

    def seen(self, checked: Checked) -> None:
        """Take note of one look."""
        self.metrics.neighbour_up.labels(checked.name).set(checked.ok)
        self.metrics.neighbour_refuses.labels(checked.name).set(checked.refused)
        told, since = self._gone.get(checked.name, ("", self.now()))
        if checked.ok:
            if told:
                del self._gone[checked.name]
                log.warning(BACK, neighbour=checked.name, seconds=round(self.now() - since, 1))
            return
        event = REFUSES if checked.refused else AWAY
        self._gone[checked.name] = event, since
        if event != told:
            log.warning(event, neighbour=checked.name, error=checked.detail)
