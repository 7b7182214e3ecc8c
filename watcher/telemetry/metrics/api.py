"""What the API counts: requests, votes by their answer, and what Redis refuses."""

from typing import Final

from watcher.telemetry.metrics.catalogue import OPEN, Catalogue

REQUEST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
"""Seconds. The promise of a vote's 99th percentile, 0.025, lies on an edge."""


class ApiMetrics:
    """What the API counts: requests, votes by their answer, and what Redis refuses."""

    def __init__(self, declare: Catalogue) -> None:
        self.http_requests = declare.counter(
            "http_requests",
            "Requests answered by the API; of route none: those that came to no route.",
            route=OPEN,
            method=OPEN,
            status=OPEN,
        )
        self.http_request_duration = declare.histogram(
            "http_request_duration_seconds",
            "From the request's head to the answer's; of a stream until it begins.",
            REQUEST_BUCKETS,
            route=OPEN,
        )
        self.votes = declare.counter("votes", "Votes by what they came to: a code of the API, or ok.", outcome=OPEN)
        self.streams = declare.gauge("streams", "Clients that follow standings.")
        self.redis_link_up = declare.gauge(
            "redis_link_up", "1 while the API has this connection to Redis.", link=("votes", "reads")
        )
        self.redis_refusals = declare.counter(
            "redis_refusals",
            "What Redis refused to the API: for want of a right, memory, its disk or replicas, or as no primary. "
            "Readiness asks too.",
            reason=("noperm", "oom", "readonly", "misconf", "noreplicas", "unknown"),
        )
