"""What is counted of votes on their way from Redis to ClickHouse, and of comparisons of Redis."""

from typing import Final

from watcher.model.plan_outcome import PlanOutcome
from watcher.telemetry.metrics.catalogue import FLUSH_BUCKETS, Catalogue

DRAIN_OUTCOMES: Final = tuple(outcome.value for outcome in PlanOutcome if outcome is not PlanOutcome.REPEATED)
VERDICTS: Final = ("same", "verified", "rebuilt", "busy", "finished", "unknown")


class VoteMetrics:
    """Metrics of votes on their way from Redis to ClickHouse, and of comparisons of Redis."""

    def __init__(self, declare: Catalogue) -> None:
        self.votes_drained = declare.counter("votes_drained", "Votes taken from Redis' logs to ClickHouse.")
        self.votes_drained_until_timestamp = declare.gauge(
            "votes_drained_until_timestamp_seconds", "Votes cast before this are in ClickHouse, Unix time."
        )
        self.votes_drained_until_timestamp.set_to_current_time()  # 0 would be an age of fifty years until the first one
        self.drain_plans = declare.counter("drain_plans", "Drain plans done, by what it took.", outcome=DRAIN_OUTCOMES)
        self.drain_plan_duration = declare.histogram(
            "drain_plan_duration_seconds", "From naming a drain plan to its votes being trimmed.", FLUSH_BUCKETS
        )
        self.drain_errors = declare.counter(
            "drain_errors", "Passes of the drain that failed because a neighbour was away; they are made again."
        )
        self.crucibles_unbalanced = declare.gauge(
            "crucibles_unbalanced", "Crucibles of which ClickHouse has other votes than Redis has numbered."
        )
        self.crucibles_verified = declare.counter(
            "crucibles_verified", "Comparisons of a crucible in Redis with the other stores.", verdict=VERDICTS
        )
