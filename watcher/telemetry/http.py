"""Counts a route's answers; the metrics of its labels are looked up once, not once a request."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter

    from watcher.telemetry.metrics.api import ApiMetrics


class RouteMetrics:
    """The metrics of one route.

    Args:
        metrics: the API's.
        route: its template.
        method: its method.
        outcomes: counts its requests by what they came to, also those refused before the route hears of them.
    """

    def __init__(self, metrics: "ApiMetrics", route: str, method: str, outcomes: "Counter | None" = None) -> None:
        self.route = route
        self._outcomes = outcomes
        self._method = method
        self._requests = metrics.http_requests
        self._seconds = metrics.http_request_duration.labels(route)
        self._by_status: dict[int, Counter] = {}

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer that is about to be sent."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels(self.route, self._method, str(status))
        counter.inc()
        self._seconds.observe(seconds)

    def refused(self, code: str) -> None:
        """Count a request that was answered with a problem."""
        if self._outcomes is not None:
            self._outcomes.labels(code).inc()
