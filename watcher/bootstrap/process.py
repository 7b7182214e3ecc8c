"""What every process that runs until it is stopped has around it: probes, signals, and an end in order."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from config import Settings
from watcher.runtime.shutdown import Shutdown
from watcher.telemetry.health import Health
from watcher.telemetry.logs import set_up_logs
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.probes import ProbeServer

log = structlog.get_logger(__name__)


@contextmanager
def running(settings: Settings, metrics: Metrics) -> Iterator[tuple[Health, Shutdown]]:
    """Give a process' health, by which probes are answered, and its shutdown, which SIGTERM and Ctrl-C begin.

    Args:
        settings: of the process.
        metrics: which ``/metrics`` answers with.

    Raises:
        StopError: the port of the probes is taken.
    """
    set_up_logs(settings.log.level, settings.log.format)
    health = Health(settings.ops.loop_deadline)
    # From what liveness looks at, in every role: a loop that nobody tells of would look stuck, or never.
    metrics.process.loop_last_turn_timestamp.set_function(lambda: time.time() - health.standing_seconds())
    with (
        ProbeServer(settings.ops.host, settings.ops.port, health, metrics.registry) as probes,
        Shutdown(settings.run.shutdown_deadline) as shutdown,
    ):
        log.info("probes.listening", port=probes.port)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: shutdown.begin())
        yield health, shutdown
