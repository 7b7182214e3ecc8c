"""What every process has around it, whatever its role."""

import time

import pytest
from prometheus_client import CollectorRegistry

from config import Settings
from watcher.bootstrap import process
from watcher.telemetry.metrics import Metrics


def test_every_role_tells_when_its_loop_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what liveness looks at; a role that had to tell it by itself and did not looked stuck for ever."""
    monkeypatch.setattr(process, "set_up_logs", lambda *_: None)
    monkeypatch.setattr(process.signal, "signal", lambda *_: None)
    settings = Settings.model_validate({"ops": {"host": "127.0.0.1", "port": 0}})
    registry = CollectorRegistry()

    def told() -> float:
        return registry.get_sample_value("crucible_loop_last_turn_timestamp_seconds") or 0.0

    with process.running(settings, Metrics(registry)) as (health, _):
        at_first = told()
        time.sleep(0.02)  # what is waited for is time itself
        assert told() == pytest.approx(at_first, abs=0.01), "nothing has turned"
        before = time.time()
        health.turned()
        assert told() >= before - 0.001
        health.turned("api")
        time.sleep(0.02)
        health.turned()

        assert told() < time.time() - 0.01, "of several, the one that stands"
