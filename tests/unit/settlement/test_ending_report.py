"""What settling says of itself."""

import time

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from watcher.model.errors import TemporaryError
from watcher.model.settlement import SettlementState
from watcher.postgres.own.settlement import Settlement, WaitingEndings
from watcher.settlement.report import EndingReport
from watcher.telemetry.metrics import Metrics

ENDING = Settlement(
    crucible_id=42, state=SettlementState.PROVEN, name="Dawn", creator_id=7, setup_prefix=None, attempts=0,
    frozen_at=None, digest="d", votes=1, frozen_seconds=1.0, claimed_by="one",
)  # fmt: skip


@pytest.fixture
def metrics() -> Metrics:
    """Of a process that settles."""
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, state: str | None = None) -> float | None:
    """One sample."""
    return metrics.registry.get_sample_value(f"crucible_{name}", {} if state is None else {"state": state})


def test_states_are_counted_and_parked_ones_say_what_to_do(metrics: Metrics) -> None:
    report = EndingReport(metrics.settlement)

    with capture_logs() as logs:
        report.moved(ENDING)
        report.parked(ENDING, "somebody has to look")

    assert value(metrics, "settlement_steps_total", "proven") == 1
    assert value(metrics, "settlement_steps_total", "parked") == 1
    assert [(one["event"], one["log_level"]) for one in logs] == [("ending.moved", "info"), ("ending.parked", "error")]
    assert logs[1]["next"] == "crucible settle show 42"


def test_a_state_that_nobody_is_in_any_more_is_zero(metrics: Metrics) -> None:
    report = EndingReport(metrics.settlement)
    report.waiting([WaitingEndings(SettlementState.PARKED, 3, 100.0)])

    assert value(metrics, "settlements", "parked") == 3
    assert time.time() - (value(metrics, "settlement_oldest_timestamp_seconds", "parked") or 0) == pytest.approx(
        100, abs=5
    )
    report.waiting([])
    assert value(metrics, "settlements", "parked") == 0
    assert time.time() - (value(metrics, "settlement_oldest_timestamp_seconds", "parked") or 0) == pytest.approx(
        0, abs=5
    )


def test_who_is_away_is_counted_and_named(metrics: Metrics) -> None:
    with capture_logs() as logs:
        EndingReport(metrics.settlement).away(TemporaryError("clickhouse is away"), 42)

    assert value(metrics, "settlement_errors_total") == 1
    assert (logs[0]["event"], logs[0]["crucible"]) == ("neighbour.away", 42)
