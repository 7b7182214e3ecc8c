"""Counts the API's answers; the metrics of a route's labels are looked up once, not once a request."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import Counter

    from watcher.telemetry.metrics.api import ApiMetrics

NO_ROUTE: Final = "none"
"""Label of what came to no route: there is none, it is no request, or there was no room for it."""
PREFLIGHT: Final = "preflight"
"""Label of a browser's question whether a page of another origin may ask."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are a label. Clients can make up any other, and with it a series that stays."""


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


class OtherMetrics:
    """The metrics of what none of the routes of ``routes.py`` answers.

    Args:
        metrics: the API's.
    """

    def __init__(self, metrics: "ApiMetrics") -> None:
        self._requests = metrics.http_requests

    def answered(self, route: str, method: str, status: int) -> None:
        """Count an answer.

        Args:
            route: its template, ``NO_ROUTE`` or ``PREFLIGHT``.
            method: as the client has it; empty where there was no request yet.
            status: of the answer.
        """
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()

    def refused(self, status: int) -> None:
        """Count the answer to what never became a request."""
        self.answered(NO_ROUTE, "", status)
