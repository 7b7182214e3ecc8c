"""A process that drains and keeps: ``python -m tests.votes.process [drain] [keep] [without:PROTECTION]``."""

import signal
import sys
import threading

import structlog
from prometheus_client import CollectorRegistry

from config import load
from tests.votes import weakened
from watcher.bootstrap.votes import Votes
from watcher.telemetry.logs import set_up_logs
from watcher.telemetry.metrics import Metrics


def main(arguments: list[str]) -> int:
    """Run until SIGTERM, or until a thread has failed for good."""
    settings = load()
    set_up_logs(settings.log.level, settings.log.format)
    for argument in arguments:
        if argument.startswith("without:"):
            getattr(weakened, argument.removeprefix("without:"))()
    stop, faults = threading.Event(), list[Exception]()

    def failed(error: Exception) -> None:
        structlog.get_logger().error("votes.failed", error=f"{type(error).__name__}: {error}")
        faults.append(error)
        stop.set()

    votes = Votes(settings, Metrics(CollectorRegistry()), failed)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if "drain" in arguments:
        votes.drain()
    if "keep" in arguments:
        votes.keep()
    structlog.get_logger().info("votes.started")
    stop.wait()
    votes.close()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
