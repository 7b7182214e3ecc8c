"""A process that drains and keeps: ``python -m tests.votes.process [drain] [keep] [without:PROTECTION]``."""

import sys

import structlog
from prometheus_client import CollectorRegistry

from config import load
from stack.ending import Ending
from tests.votes import weakened
from watcher.bootstrap.votes import Votes
from watcher.telemetry.logs import set_up_logs
from watcher.telemetry.metrics import Metrics


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or SIGINT, or until a thread has failed for good."""
    settings = load()
    set_up_logs(settings.log.level, settings.log.format)
    for argument in arguments:
        if argument.startswith("without:"):
            getattr(weakened, argument.removeprefix("without:"))()
    ending, faults = Ending(), list[Exception]()

    def failed(error: Exception) -> None:
        structlog.get_logger().error("votes.failed", error=f"{type(error).__name__}: {error}")
        faults.append(error)
        ending.ask()

    votes = Votes(settings, Metrics(CollectorRegistry()), failed)
    if "drain" in arguments:
        votes.drain()
    if "keep" in arguments:
        votes.keep()
    structlog.get_logger().info("votes.started")
    ending.wait()
    votes.close()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
