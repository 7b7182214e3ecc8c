"""A process that drains and keeps: ``python -m tests.votes.process [drain] [keep] [without:PROTECTION]``."""

import sys

import structlog
from prometheus_client import CollectorRegistry

from config import load
from stack.ending import EndSignal
from tests.votes import weakened
from watcher.bootstrap.verification import compose_verification
from watcher.bootstrap.votes import VoteTasks
from watcher.model.errors import WatcherError
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Worker
from watcher.telemetry.logs import set_up_logs
from watcher.telemetry.metrics import Metrics
from watcher.votes.report import VoteReport


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or SIGINT, or until a thread has failed for good."""
    settings = load()
    set_up_logs(settings.log.level, settings.log.format)
    for argument in arguments:
        if argument.startswith("without:"):
            getattr(weakened, argument.removeprefix("without:"))()
    ending, log = EndSignal(), structlog.get_logger()
    report = VoteReport(Metrics(CollectorRegistry()).votes)
    failed = False
    try:
        with Shutdown(settings.run.shutdown_deadline) as shutdown:
            shutdown.on_begin(ending.ask)
            verification = compose_verification(settings, report)
            shutdown.on_end(verification.close)
            tasks = VoteTasks(settings, report, verification)
            shutdown.on_end(tasks.close)
            if "drain" in arguments:
                shutdown.run(Worker("drain", tasks.drainer, shutdown.fail))
            if "keep" in arguments:
                shutdown.run(Worker("verifier", tasks.rounds, shutdown.fail))
            log.info("votes.started")
            ending.wait()
    except WatcherError as error:
        log.error("votes.failed", error=f"{type(error).__name__}: {error}")  # noqa: TRY400 - one line
        failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
