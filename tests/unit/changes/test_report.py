"""What the loop says of itself."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from watcher.changes.lane import Gathered, Lane
from watcher.changes.report import ChangeReport
from watcher.model.errors import TemporaryError
from watcher.model.progress import Progress
from watcher.telemetry.metrics import UNKNOWN, Metrics

TABLES = ("Crucible", "CrucibleEntry")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def report(registry: CollectorRegistry) -> ChangeReport:
    return ChangeReport(Metrics(registry, TABLES), 30.0)


def by_partition(lanes: Iterable[Lane]) -> dict[tuple[str, int], Lane]:
    return {(one.topic, one.partition): one for one in lanes}


def lane(partition: int, gathered: dict[tuple[str, str], int], writing: dict[tuple[str, str], int]) -> Lane:
    one = Lane("t", partition, Progress("id", partition, 0, 0), 30.0)
    one.gathered, one.writing = Gathered(applied=Counter(gathered)), Gathered(applied=Counter(writing))
    return one


def in_flight(registry: CollectorRegistry) -> dict[str, Any]:
    return {
        table: registry.get_sample_value("crucible_events_in_flight", {"table": table}) for table in (*TABLES, UNKNOWN)
    }


def test_what_is_gathered_or_with_the_writer_is_in_flight(registry: CollectorRegistry, report: ChangeReport):
    """Per table over all partitions; what is written, or whose partition went elsewhere, is in flight no more."""
    entries, crucibles = ("CrucibleEntry", "c"), ("Crucible", "u")
    lanes = [lane(0, {entries: 3}, {entries: 4, crucibles: 1}), lane(1, {crucibles: 2}, {})]

    report.in_flight(by_partition(lanes))
    both = in_flight(registry)
    report.in_flight(by_partition(lanes[1:]))

    assert both == {"CrucibleEntry": 7, "Crucible": 3, "unknown": 0}
    assert in_flight(registry) == {"CrucibleEntry": 0, "Crucible": 2, "unknown": 0}


@pytest.mark.parametrize("neighbour", ["clickhouse", "dead_letters", "kafka", "postgres", "redis", "registry"])
def test_whoever_is_away_is_counted(registry: CollectorRegistry, report: ChangeReport, neighbour: str):
    """From 0 on, so that an alert sees the first failure of each neighbour that the loop waits for."""
    counted = [registry.get_sample_value("crucible_sink_errors_total", {"sink": neighbour})]
    report.away(neighbour, TemporaryError("no answer"))
    counted.append(registry.get_sample_value("crucible_sink_errors_total", {"sink": neighbour}))

    assert counted == [0, 1]
