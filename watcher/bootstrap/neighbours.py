"""Looks at the neighbours all the while, so that logs and metrics tell of them though nobody asks for readiness."""

from typing import Final

from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Signal, Task, Worker
from watcher.telemetry.health import Health
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.metrics.process import ProcessMetrics
from watcher.telemetry.neighbours import NeighbourReport

LOOK_SECONDS: Final = 10.0
"""Seconds between two looks. Longer: an alert comes later; shorter: an idle process is less idle."""
STREAM: Final = "stream"
"""Check of readiness that is about no neighbour."""
WORKERS: Final = "workers"
"""Check of what neighbours refuse to the process' own work: a right on one table, say, where all else is allowed."""
PATIENCE_SECONDS: Final = 3.0
"""Seconds that neighbours which do not answer are waited for. Shorter: a slow one is told to be away; longer: the
process' end may have to wait."""


class LookAtNeighbours(Task):
    """Looks at every neighbour that readiness asks about.

    Args:
        health: knows them.
        metrics: of the process.
    """

    def __init__(self, health: Health, metrics: ProcessMetrics) -> None:
        self.signal = Signal()
        self._health, self._report = health, NeighbourReport(metrics)

    def turn(self) -> float:
        """Look once, and return the seconds until the next look."""
        for checked in self._health.neighbours(PATIENCE_SECONDS):
            if checked.name != STREAM:  # of which the change stream's report tells
                self._report.seen(checked)
        return LOOK_SECONDS


def look_at_neighbours(health: Health, metrics: Metrics, shutdown: Shutdown) -> None:
    """Start looking until the process ends, also at what is refused to the process' own workers."""
    health.check(WORKERS, shutdown.ping, critical=False)
    shutdown.run(Worker("neighbours", LookAtNeighbours(health, metrics.process), shutdown.fail))
