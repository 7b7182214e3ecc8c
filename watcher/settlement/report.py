"""Metrics and log lines of settling."""

import time
from collections.abc import Sequence

import structlog

from watcher.model.errors import TemporaryError
from watcher.model.settlement import SettlementState
from watcher.postgres.own.settlement import Settlement, WaitingEndings
from watcher.telemetry.metrics.settlement import SETTLEMENT_STATES, SettlementMetrics
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)


class EndingReport:
    """Turns what becomes of endings into metrics and logs.

    Args:
        metrics: the process' metrics.
    """

    def __init__(self, metrics: SettlementMetrics) -> None:
        self._metrics = metrics

    def moved(self, one: Settlement) -> None:
        """Count and log that an ending has come to another state."""
        self._metrics.settlement_steps.labels(one.state.value).inc()
        log.info("ending.moved", crucible=one.crucible_id, state=one.state.value)

    def parked(self, one: Settlement, reason: str) -> None:
        """Count and log that an ending waits for somebody to look."""
        self._metrics.settlement_steps.labels(SettlementState.PARKED.value).inc()
        log.error(
            "ending.parked",
            crucible=one.crucible_id,
            state=one.state.value,
            reason=reason,
            next=f"crucible settle show {one.crucible_id}",
        )

    def waiting(self, found: Sequence[WaitingEndings]) -> None:
        """Show how many endings are under way, and since when."""
        by_state = {one.state.value: one for one in found}
        for state in SETTLEMENT_STATES:
            there = by_state.get(state)
            self._metrics.settlements.labels(state).set(there.settlements if there else 0)
            oldest = there.oldest_seconds if there else 0.0
            self._metrics.settlement_oldest_timestamp.labels(state).set(time.time() - oldest)

    def away(self, error: TemporaryError, crucible_id: int | None) -> None:
        """Count and log that a neighbour is away."""
        self._metrics.settlement_errors.inc()
        log.warning(event_of(error), neighbour="settlement", crucible=crucible_id, error=str(error))
