"""Makes metrics, and remembers each: its name, kind, labels and help."""

from dataclasses import dataclass
from itertools import product
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

MetricT = TypeVar("MetricT", bound=MetricWrapperBase)
Values = tuple[str, ...]

UNKNOWN: Final = "unknown"
"""Label for a table or operation that is not ours: foreign names must not become label values without bound."""
OPEN: Values = ()
"""Label values that only the broker knows, hence none at the start."""
FLUSH_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds of one write. The last edge is ClickHouse's default timeout here: above it the outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the catalogue says of a metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class Catalogue:
    """Makes metrics on a registry; a label is given with its known values, and each starts at 0, or with :data:`OPEN`.

    Args:
        registry: where to register.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.described: list[Described] = []
        """What was made, in its order."""

    def counter(self, name: str, text: str, **labels: Values) -> Counter:
        """Return a new counter, ``crucible_<name>_total``."""
        counter = Counter(f"crucible_{name}_total", text, tuple(labels), registry=self._registry)
        return self._add(counter, f"{name}_total", "counter", text, labels)

    def gauge(self, name: str, text: str, **labels: Values) -> Gauge:
        """Return a new gauge, ``crucible_<name>``."""
        gauge = Gauge(f"crucible_{name}", text, tuple(labels), registry=self._registry)
        return self._add(gauge, name, "gauge", text, labels)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], **labels: Values) -> Histogram:
        """Return a new histogram, ``crucible_<name>``, with the upper edges of its buckets."""
        histogram = Histogram(f"crucible_{name}", text, tuple(labels), buckets=buckets, registry=self._registry)
        return self._add(histogram, name, "histogram", text, labels)

    def _add(self, metric: MetricT, name: str, kind: str, text: str, labels: dict[str, Values]) -> MetricT:
        """Note the metric, and make every label set of its closed labels start at 0."""
        self.described.append(Described(f"crucible_{name}", kind, tuple(labels), text))
        if labels:
            for values in product(*labels.values()):
                metric.labels(*values)
        return metric


def forget(gauge: Gauge, *labels: str) -> None:
    """Take a gauge away for some labels, because this process does not know it any more."""
    if labels in gauge._metrics:  # noqa: SLF001 - no public way to ask
        gauge.remove(*labels)
