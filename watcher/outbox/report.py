"""Metrics of the outbox, and a log line for what does not go through."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import structlog

from watcher.model.errors import TemporaryError
from watcher.model.outbox import UNFINISHED, OutboxRow, OutboxState, OutboxStep
from watcher.postgres.own import outbox
from watcher.postgres.session import Session
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal
from watcher.telemetry.metrics.outbox import CHANNELS, OutboxMetrics
from watcher.telemetry.neighbours import event_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 15.0
"""Seconds between two counts of what waits; as often as metrics are usually read."""


class OutboxReport:
    """Turns what became of rows into metrics and logs.

    Args:
        metrics: the process' metrics.
    """

    def __init__(self, metrics: OutboxMetrics) -> None:
        self._metrics = metrics

    def dispatched(self, row: OutboxRow, step: OutboxStep) -> None:
        """Count an attempt; log it where the row was parked or waits."""
        self._metrics.outbox_attempts.labels(row.channel, step.state.value).inc()
        about = {"id": row.id, "kind": row.kind, "subject": row.subject, "key": row.key, "attempts": row.attempts}
        if step.state is OutboxState.PARKED:
            log.error("outbox.parked", **about, error=step.error, next=f"crucible outbox show {row.id}")
        elif step.state is not OutboxState.DONE:
            log.warning("outbox.waiting", **about, state=step.state.value, error=step.error)

    def away(self, error: TemporaryError) -> None:
        """Log that PostgreSQL is away."""
        log.warning(event_of(error), neighbour="outbox", error=str(error))


class CountOutbox:
    """Counts what waits: a task for a worker.

    Args:
        open_session: connects to PostgreSQL, for the length of a block.
        metrics: the process' metrics.
    """

    def __init__(self, open_session: Callable[[], AbstractContextManager[Session]], metrics: OutboxMetrics) -> None:
        self.signal, self.retry = Signal(), Retry(1.0, 30.0)
        self._open, self._metrics = open_session, metrics

    def turn(self) -> float:
        """Count; return the seconds until the next time."""
        with self._open() as session:
            found = {(one.channel, one.state): one for one in outbox.waiting(session)}
        for channel in CHANNELS:
            mine = [found[channel, state] for state in UNFINISHED if (channel, state) in found]
            for state in UNFINISHED:
                there = found.get((channel, state))
                self._metrics.outbox_rows.labels(channel, state.value).set(there.rows if there else 0)
            oldest = max((one.oldest_seconds for one in mine), default=0.0)
            self._metrics.outbox_oldest_timestamp.labels(channel).set(time.time() - oldest)
        return LOOK_SECONDS

    def away(self, error: TemporaryError) -> None:
        """Do nothing: who sends the rows says it."""

    def end(self) -> None:
        """Do nothing: connections are opened for a turn."""
