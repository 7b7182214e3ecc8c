"""What is told of crucibles that end, and of the scores that the site's table has until then."""

from typing import Final

from watcher.model.settlement import FINISHED, SettlementState
from watcher.telemetry.metrics.catalogue import Catalogue

SETTLEMENT_STATES: Final = tuple(state.value for state in SettlementState if state not in FINISHED)
"""The states of endings that are not over."""
SETTLEMENT_STEPS: Final = tuple(state.value for state in SettlementState if state is not SettlementState.DUE)


class SettlementMetrics:
    """Metrics of crucibles that end, and of the scores that the site's table has until then."""

    def __init__(self, declare: Catalogue) -> None:
        self.settlements = declare.gauge(
            "settlements",
            "Crucibles that are ending; due are those whose end has come and was not acted upon.",
            state=SETTLEMENT_STATES,
        )
        self.settlement_oldest_timestamp = declare.gauge(
            "settlement_oldest_timestamp_seconds",
            "Since when the oldest of them is in its state, Unix time; now if none is.",
            state=SETTLEMENT_STATES,
        )
        self.settlement_steps = declare.counter(
            "settlement_steps", "Endings that came to a state.", state=SETTLEMENT_STEPS
        )
        self.settlement_errors = declare.counter(
            "settlement_errors", "Steps of endings that failed because a neighbour was away, and are made again."
        )
        self.checkpoint_rows = declare.counter(
            "checkpoint_rows", "Scores of active crucibles' entries written into the site's table."
        )
        self.checkpoint_errors = declare.counter(
            "checkpoint_errors", "Checkpoints of scores that failed because a neighbour was away; they are made again."
        )
        self.checkpoint_timestamp = declare.gauge(
            "checkpoint_timestamp_seconds",
            "When every active crucible's scores were last written, Unix time; 0 where that is nobody's task.",
        )
