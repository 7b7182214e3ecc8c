"""The board reads the watcher's metrics as they are named."""

from __future__ import annotations

from types import SimpleNamespace

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from demo.board import ReadingsBoard
from demo.readings import Reading, StoreReadings, Watcher, parse
from watcher.telemetry.metrics import Metrics


def test_metrics_of_the_watcher_are_understood() -> None:
    """What the daemon exports under its own names arrives on the board, summed over labels."""
    metrics = Metrics(CollectorRegistry(), ("Crucible", "CrucibleEntry"))
    metrics.changes.events_consumed.labels("CrucibleEntry", "c").inc(3)
    metrics.changes.events_consumed.labels("Crucible", "u").inc(2)
    metrics.changes.events_applied.labels("CrucibleEntry", "c").inc(3)
    metrics.changes.consumer_lag.labels("postgres.CrucibleEntry", "0").set(7)
    metrics.api.votes.labels("ok").inc(4)
    metrics.api.votes.labels("repeated").inc(2)
    metrics.api.votes.labels("own_entry").inc()
    for _ in range(99):
        metrics.changes.freshness.labels("CrucibleEntry", "redis").observe(0.04)
    metrics.changes.freshness.labels("Crucible", "redis").observe(0.9)

    watcher = parse(text_string_to_metric_families(generate_latest(metrics.registry).decode()))
    assert (watcher.consumed, watcher.applied, watcher.lag, watcher.dead) == (5, 3, 7, 0)
    assert (watcher.votes, watcher.refused) == (4, 1)
    assert watcher.freshness == {"redis": (0.05, 0.05)}


def test_who_has_finished_has_left_and_is_not_gone() -> None:
    """Judges leave when their time is over; what should run and does not is another thing."""
    redis, judges = (SimpleNamespace(name=name, pid=None) for name in ("redis", "the judges"))
    board = ReadingsBoard(Console(), (redis,), lambda: Reading(0.0, None, None), (judges,))

    assert "left=the judges  gone=redis" in board.line(Reading(0.0, None, None))


def test_line_names_what_is_away() -> None:
    """Without an answer the line says so instead of showing old numbers."""
    board = ReadingsBoard(Console(), (), lambda: Reading(0.0, None, None))

    assert "stores=away" in board.line(Reading(0.0, None, None))
    full = Reading(
        0.0, StoreReadings(1, 2, 3, 4, 5, 6, 7), Watcher(6, 6, 0, 0, 0, 9, votes=4, freshness={"redis": (0.05, 0.3)})
    )
    assert "clickhouse=4 (rows=3)" in board.line(full)
    assert "votes=4 (0/s)" in board.line(full)
    assert "fresh_redis=0.05/0.3s" in board.line(full)
