"""The metric names are an interface: boards and alerts of other people depend on them."""

import os
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from watcher.model.errors import Reason
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.metrics.catalogue import UNKNOWN
from watcher.telemetry.stream_state import StreamState

GOLDEN = Path(__file__).with_name("metrics.golden.txt")


def catalogue(metrics: Metrics) -> str:
    return "".join(f"{one.name} {one.kind} {','.join(one.labels) or '-'} | {one.help}\n" for one in metrics.catalogue)


def test_names_types_labels_and_help_are_frozen():
    """A renamed metric silently empties a board; change the golden file on purpose, and the changelog with it."""
    metrics = Metrics(CollectorRegistry(), ["Crucible"])
    if os.environ.get("CRUCIBLE_WRITE_GOLDEN"):
        GOLDEN.write_text(catalogue(metrics))

    assert GOLDEN.read_text() == catalogue(metrics)


def test_the_catalogue_is_what_is_exposed():
    """The catalogue names every family of the registry and no other."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, ["Crucible"])

    exposed = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}

    assert exposed == {one.name for one in metrics.catalogue}


def test_only_a_sink_that_rows_wait_for_has_a_queue():
    """A series that nobody ever sets says that all is well."""
    registry = CollectorRegistry()
    Metrics(registry, ["Crucible"])

    (queue,) = (family for family in registry.collect() if family.name == "crucible_sink_queue_rows")

    assert [sample.labels for sample in queue.samples] == [{"sink": "clickhouse"}]


def test_every_reason_starts_at_zero():
    """A rate needs a sample before the first dead letter, for known tables and for unknown ones."""
    registry = CollectorRegistry()
    Metrics(registry, ["Crucible"])

    found = {
        (table, reason.value): registry.get_sample_value(
            "crucible_dlq_events_total", {"table": table, "reason": reason.value}
        )
        for table in ("Crucible", UNKNOWN)
        for reason in Reason
    }

    assert set(found.values()) == {0.0}


def test_no_age_is_that_of_1970():
    """Alerts take ``time() - x``; a process that has not turned yet, or drained, is as old as itself."""
    begun, registry = time.time(), CollectorRegistry()
    Metrics(registry)

    for name in ("crucible_loop_last_turn_timestamp_seconds", "crucible_votes_drained_until_timestamp_seconds"):
        assert (registry.get_sample_value(name) or 0) >= begun, name


def test_a_foreign_table_is_one_label():
    """Names that a client invents must not become time series without bound."""
    metrics = Metrics(CollectorRegistry(), ["Crucible"])

    assert [metrics.changes.table(name) for name in ("Crucible", "Nonsense-1", "", None)] == ["Crucible"] + [
        UNKNOWN
    ] * 3


def test_a_stream_is_in_one_state():
    """Showing a state takes the one before back."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, ["Crucible"])

    metrics.changes.show_stream_state("Crucible", StreamState.STALLED)

    shown = {
        state.value: registry.get_sample_value("crucible_stream_state", {"table": "Crucible", "state": state.value})
        for state in StreamState
    }
    assert shown == {"live": 0, "idle": 0, "stalled": 1, "cut_off": 0, "paused": 0}


def test_two_daemons_in_a_process_do_not_meet():
    """Each registry counts for itself."""
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())

    first.changes.plans.labels("written").inc()

    assert b'crucible_plans_total{outcome="written"} 0.0' in generate_latest(second.registry)
