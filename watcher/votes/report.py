"""Metrics and log lines of the drain and the verifier."""

import time
from collections.abc import Mapping

import structlog

from watcher.model.errors import TemporaryError
from watcher.model.plan_outcome import PlanOutcome
from watcher.telemetry.metrics.votes import VoteMetrics

log = structlog.get_logger(__name__)


class VoteReport:
    """Turns what happened to votes into metrics and logs.

    Args:
        metrics: the process' metrics.
    """

    def __init__(self, metrics: VoteMetrics) -> None:
        self._metrics = metrics

    def drained(self, votes: int, outcome: PlanOutcome, seconds: float) -> None:
        """Count and log a drain plan that is done."""
        self._metrics.votes_drained.inc(votes)
        self._metrics.drain_plans.labels(outcome.value).inc()
        self._metrics.drain_plan_duration.observe(seconds)
        say = log.debug if outcome is PlanOutcome.WRITTEN else log.warning
        say("votes.drained", votes=votes, outcome=outcome.value, seconds=round(seconds, 3))

    def waiting(self, oldest_ms: int | None) -> None:
        """Show how old votes are that a round of the drain has left.

        Args:
            oldest_ms: when the oldest of them was cast, in milliseconds since 1970; None if it left none.
        """
        self._metrics.votes_drained_until_timestamp.set(time.time() if oldest_ms is None else oldest_ms / 1000)

    def away(self, error: TemporaryError) -> None:
        """Count and log a pass of the drain that failed."""
        self._metrics.drain_errors.inc()
        log.warning("drain.waiting", error=str(error))

    def parked(self, bucket: int, error: str) -> None:
        """Count and log that ClickHouse does not show a bucket's votes as they were written."""
        self._metrics.drain_errors.inc()
        log.error("drain.parked", bucket=bucket, error=error)

    def unbalanced(self, votes: Mapping[int, int]) -> None:
        """Show which crucibles do not add up: by crucible, how many votes ClickHouse has too many (or lacks)."""
        self._metrics.crucibles_unbalanced.set(len(votes))
        for crucible_id, excess in votes.items():
            log.error("crucible.votes_unbalanced", crucible=crucible_id, excess=excess)

    def verified(self, crucible_id: int, verdict: str) -> None:
        """Count and log what the comparison of a crucible in Redis with the other stores came to."""
        self._metrics.crucibles_verified.labels(verdict).inc()
        say = log.debug if verdict == "same" else log.info
        say("crucible.verified", crucible=crucible_id, verdict=verdict)
