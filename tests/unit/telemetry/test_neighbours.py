"""A neighbour that goes, refuses or is back: a log line each, once, and metrics for as long as it lasts."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from watcher.telemetry.health import Checked
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.neighbours import NeighbourReport

WELL = Checked("redis", ok=True, critical=True, detail="")
GONE = Checked("redis", ok=False, critical=True, detail="connection refused")
REFUSING = Checked("redis", ok=False, critical=True, detail="WRONGPASS", refused=True)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def gauges(metrics: Metrics) -> tuple[float | None, float | None]:
    """Up, and refuses."""
    ask = metrics.registry.get_sample_value
    labels = {"neighbour": "redis"}
    return ask("crucible_neighbour_up", labels), ask("crucible_neighbour_refuses", labels)


def test_each_change_is_told_once(metrics: Metrics) -> None:
    """Not each look: an outage of an hour is a line when it begins and one when it is over."""
    times = iter(range(100))
    report = NeighbourReport(metrics.process, lambda: float(next(times)))
    with capture_logs() as lines:
        for checked in (WELL, WELL, GONE, GONE, GONE, WELL, WELL, REFUSING, GONE, WELL):
            report.seen(checked)

    assert [(line["event"], line.get("error")) for line in lines] == [
        ("neighbour.away", "connection refused"),
        ("neighbour.back", None),
        ("neighbour.refuses", "WRONGPASS"),
        ("neighbour.away", "connection refused"),
        ("neighbour.back", None),
    ]
    assert all(line["seconds"] > 0 for line in lines if line["event"] == "neighbour.back")


def test_metrics_say_how_it_is_now(metrics: Metrics) -> None:
    """One that refuses is not up either."""
    report = NeighbourReport(metrics.process)
    found = []
    for checked in (WELL, GONE, REFUSING, WELL):
        report.seen(checked)
        found.append(gauges(metrics))

    assert found == [(1, 0), (0, 0), (0, 1), (1, 0)]
