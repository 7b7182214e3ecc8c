"""What the loop says of itself."""

import itertools
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from watcher.changes.lane import Gathered, Lane
from watcher.changes.report import ChangeReport
from watcher.changes.taken import Taken
from watcher.model.beat import Beat
from watcher.model.errors import TemporaryError
from watcher.model.progress import Progress
from watcher.model.row_state import ShownStates
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.metrics.catalogue import UNKNOWN

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


class Nothing:
    """A source that has delivered all there is."""

    paused = 0


class Followed:
    """Beats that are overdue for as long as they are said to be."""

    heard_at: float | None = None
    last = Beat(7, 1_760_000_000_000, 4096)
    overdue_for: float | None = None
    absent_for: float | None = None
    unpublished: tuple[str, ...] = ()


def test_a_stream_that_is_cut_off_is_said_once_and_fails_readiness(registry: CollectorRegistry):
    """As long as it is, by the gauge and by the probe; in the log when it begins and when it is over."""
    beats, now = Followed(), itertools.count(1.0, 2.0)
    given: Any = beats
    report = ChangeReport(Metrics(registry, TABLES), 120.0, lambda: next(now), given)
    quiet = Taken(heartbeat=True)

    def state() -> str:
        nothing: Any = Nothing()
        report.taken(quiet)
        report.turn(nothing, {})
        try:
            report.ping()
        except TemporaryError as error:
            return str(error)
        return "ready"

    with capture_logs() as logs:
        found = [state()]
        beats.overdue_for = 70.0
        found += [state(), state()]
        beats.overdue_for = None
        found.append(state())
        beats.unpublished = ("Crucible",)
        found.append(state())
    said = [one["event"] for one in logs]

    cut = "Crucible, CrucibleEntry: cut_off; run `crucible doctor`"
    assert found == ["ready", cut, cut, "ready", "Crucible: cut_off; run `crucible doctor`"]
    assert said == ["stream.cut_off", "stream.comes_again", "stream.cut_off"]
    assert registry.get_sample_value("crucible_last_beat_timestamp_seconds") == 1_760_000_000


def test_that_no_beat_ever_came_is_said_once(registry: CollectorRegistry):
    """Nothing is called cut off for it: the beat's table may not be published yet."""
    beats, now = Followed(), itertools.count(1.0, 2.0)
    beats.absent_for = 60.0
    given: Any = beats
    report = ChangeReport(Metrics(registry, TABLES), 120.0, lambda: next(now), given)
    nothing: Any = Nothing()

    with capture_logs() as logs:
        for _ in range(3):
            report.turn(nothing, {})
    report.ping()

    assert [one["event"] for one in logs] == ["stream.without_beats"]


class _Source:
    """A source of no partitions."""

    paused = 0

    def high_water(self, _: object) -> None:
        return None


def test_what_waits_for_a_sink_has_an_age_while_nothing_goes_through(registry: CollectorRegistry):
    """Freshness is told by writes, and an outage has none; each sink's oldest change is, of each table."""
    now = iter(range(10, 1000, 10))
    report = ChangeReport(Metrics(registry, TABLES), 30.0, lambda: float(next(now)))
    waiting = lane(0, {}, {})
    waiting.gathered.oldest, waiting.writing.oldest = {"Crucible": 5_000}, {"Crucible": 2_000}

    def since(table: str, sink: str) -> float:
        report.turn(cast("Any", _Source()), by_partition([waiting]))
        told = registry.get_sample_value("crucible_waiting_since_timestamp_seconds", {"table": table, "sink": sink})
        assert told is not None
        return told

    began = time.time()
    assert since("Crucible", "clickhouse") == 2
    assert since("CrucibleEntry", "clickhouse") >= began
    report.showing(Taken(oldest={"CrucibleEntry": 7_000}))
    assert since("CrucibleEntry", "redis") == 7
    report.shown(Taken(), ShownStates(1, 0), 0.1)
    assert since("CrucibleEntry", "redis") >= began


def test_a_stream_that_stalls_is_told_once_and_so_is_its_return(registry: CollectorRegistry):
    """A line each, whoever looks at the gauge; the control is a stream that never stalls."""
    now = iter(range(10, 100_000, 10))
    report = ChangeReport(Metrics(registry, ["Crucible"]), 0.0, lambda: float(next(now)))
    source, lanes = cast("Any", _Source()), by_partition([lane(0, {}, {})])
    with capture_logs() as lines:
        for _ in range(3):
            report.turn(source, lanes)
        source.paused = 1
        for _ in range(2):
            report.turn(source, lanes)

    assert [(line["event"], line["table"]) for line in lines] == [
        ("stream.stalled", "Crucible"),
        ("stream.back", "Crucible"),
    ]
