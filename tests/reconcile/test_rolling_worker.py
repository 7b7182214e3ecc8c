"""The watch role takes turns where it is asked to, and its end does not wait for them."""

import threading
import time

import pytest
from prometheus_client import CollectorRegistry

import config
from tests.awaiting import await_that
from tests.reconcile.conftest import World
from watcher.bootstrap.rolling import LetGo, start_comparing
from watcher.postgres.own import history
from watcher.reconcile.daemon import rolling
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Signal, Task
from watcher.telemetry.metrics import Metrics

LAST_RUN = "crucible_reconcile_last_run_timestamp_seconds"
PATIENCE_SECONDS = 60.0


@pytest.mark.parametrize("interval", [0, 3600])
def test_the_interval_is_the_settings(world: World, monkeypatch: pytest.MonkeyPatch, interval: int) -> None:
    """And none with 0."""
    monkeypatch.setattr(rolling, "FIRST_WAIT_SECONDS", 0.0)
    world.site.execute("UPDATE crucible_watcher.reconcile_turn SET turned_at = NULL, taken_by = NULL")
    with world.session() as session:
        history.check(session)
    for name, value in {**world.environ, "CRUCIBLE_RECONCILE__INTERVAL": str(interval)}.items():
        monkeypatch.setenv(name, value)
    metrics = Metrics(CollectorRegistry())
    with Shutdown(30.0) as shutdown:
        start_comparing(config.load(), metrics, shutdown)
        if interval:
            await_that(lambda: bool(metrics.registry.get_sample_value(LAST_RUN)), "the first comparison")
        names = [thread.name for thread in threading.enumerate()]

    assert ("reconcile" in names) == bool(interval)
    assert bool(metrics.registry.get_sample_value(LAST_RUN)) == bool(interval)


class Stuck(Task):
    """Waits for an answer that does not come."""

    def __init__(self) -> None:
        self.signal, self.began, self.answer = Signal(), threading.Event(), threading.Event()

    def turn(self) -> None:
        self.began.set()
        self.answer.wait(PATIENCE_SECONDS)


def test_the_end_does_not_wait_for_a_neighbours_answer() -> None:
    """It has other work to finish by its deadline."""
    stuck = Stuck()
    with Shutdown(PATIENCE_SECONDS) as shutdown:
        shutdown.run(LetGo("reconcile", stuck, shutdown.fail))
        assert stuck.began.wait(PATIENCE_SECONDS)
        began = time.monotonic()
    took = time.monotonic() - began
    stuck.answer.set()

    assert took < PATIENCE_SECONDS / 3
