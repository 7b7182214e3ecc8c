"""What is told of the outbox: what was promised inside and is done outside."""

from typing import Final

from watcher.model.outbox import UNFINISHED, OutboxState
from watcher.telemetry.metrics.catalogue import Catalogue

CHANNELS: Final = ("buzz", "notify")
"""The channels of the outbox."""
OUTBOX_STATES: Final = tuple(state.value for state in UNFINISHED)
OUTBOX_OUTCOMES: Final = tuple(state.value for state in OutboxState if state is not OutboxState.SENDING)


class OutboxMetrics:
    """Metrics of the outbox: what was promised inside and is done outside."""

    def __init__(self, declare: Catalogue) -> None:
        self.outbox_rows = declare.gauge(
            "outbox_rows", "Rows of the outbox that are not done.", channel=CHANNELS, state=OUTBOX_STATES
        )
        self.outbox_oldest_timestamp = declare.gauge(
            "outbox_oldest_timestamp_seconds",
            "When the oldest row was written that is not done, Unix time; now if there is none.",
            channel=CHANNELS,
        )
        self.outbox_attempts = declare.counter(
            "outbox_attempts", "Attempts at rows of the outbox, by what they came to.", channel=CHANNELS,
            outcome=OUTBOX_OUTCOMES,
        )  # fmt: skip
