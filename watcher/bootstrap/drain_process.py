"""The drain as a process of its own beside the vote API: ``python -m watcher.bootstrap.drain_process``.

In a thread it would take the interpreter away from votes whenever it works, for five milliseconds at a time. The child
reads the same settings, says what it does in lines on its standard output, which the parent puts into its own metrics,
and ends when its standard input does: with its parent, however that ends.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from config import Settings, load
from watcher.bootstrap.clients import connect_clickhouse, redis_client
from watcher.clickhouse.queries import queries
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.errors import RefusedError, StopError, TemporaryError
from watcher.model.plan_outcome import PlanOutcome
from watcher.redis.vote_log import VoteLog
from watcher.runtime.deadline import Deadline
from watcher.runtime.retry import Retry
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Signal, Task, Worker
from watcher.telemetry.logs import set_up_logs
from watcher.votes.drain import Drain
from watcher.votes.drainer import Drainer
from watcher.votes.observer import DrainObserver

log = structlog.get_logger(__name__)

KILLED_SECONDS: Final = 1.0
"""Seconds until we have heard of the end of a child that was killed, because the deadline had passed."""
RESTART_SECONDS: Final = 1.0
"""Seconds until a child that ended by itself is started anew. Longer: votes wait; shorter: one that cannot start is
busy."""

NICE: Final = 10
"""How far the child stands back where processors are short (``man 2 nice``): votes are answered first, and drained with
a tenth of a processor if need be, which is enough for some thousands a second. More: they would wait in Redis."""


class _Line(msgspec.Struct):
    """A line of the child."""

    what: str
    """``drained``, ``waiting``, ``away``, ``refused``, ``parked`` or ``failed``."""
    values: list[Any]


class DrainProcess(Task):
    """The child, and the worker that listens to it and starts it anew when it ends by itself.

    Args:
        observer: told what the child did.
        failed: told of an error that does not go away by itself; the child has ended then.
        command: what the child runs.
    """

    name = "drain"

    def __init__(
        self,
        observer: DrainObserver,
        failed: Callable[[BaseException], None],
        command: Sequence[str] = (sys.executable, "-m", __name__),
    ) -> None:
        self.signal, self.retry = Signal(), Retry(RESTART_SECONDS, RESTART_SECONDS)
        self._command, self._observer = command, observer
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._lives, self._code = 0, 0
        self.refused: RefusedError | None = None
        """What a neighbour has said to the child; None since a plan went through, or no vote waits."""
        self._worker = Worker(self.name, self, failed)

    def start(self) -> None:
        """Have the child started; return at once."""
        self._worker.start()

    def stop(self) -> None:
        """Tell the child to end; return at once. Not for signal handlers: it takes a lock."""
        with self._lock:
            self.signal.stop()
            child = self._child
        if child is not None and child.stdin is not None:
            child.stdin.close()

    def close(self, deadline: Deadline) -> bool:
        """Wait for the child's end, and kill it when the deadline passes; return whether it has ended."""
        self.stop()
        if self._worker.close(deadline):
            return True
        child = self._child
        if child is not None:
            child.kill()
        return self._worker.close(Deadline.after(KILLED_SECONDS))

    def turn(self) -> float:
        """Listen to one child from its start to its end, and return the seconds until the next one is started.

        Raises:
            TemporaryError: it could not be started, or not be listened to.
            StopError: it has given up, and so would the next one.
        """
        if self._lives:
            log.warning("drain.restarted", code=self._code)
        self._lives += 1
        try:
            self._live()
        except StopError:
            raise
        except Exception as error:  # votes must go on being drained, whatever it was; a fork may fail, for one
            log.exception("drain.unwatched")
            raise TemporaryError(f"the drain's process: {type(error).__name__}: {error}") from error
        return RESTART_SECONDS

    def away(self, error: TemporaryError) -> None:
        """Tell that the child is not there."""
        self._observer.away(error)

    def _live(self) -> None:
        with self._lock:
            if self.signal.stopping:
                return
            child = self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with child:
            self._listen(child)
        self._code = child.returncode

    def _listen(self, child: "subprocess.Popen[bytes]") -> None:
        """Pass on what the child says, until it ends."""
        for text in child.stdout or ():
            try:
                line = msgspec.json.decode(text, type=_Line)
                if line.what == "failed":
                    raise StopError(*line.values)
                self._pass_on(line)
            except (msgspec.DecodeError, TypeError, ValueError):  # a library's own words, for instance
                log.warning("drain.said", line=text.decode(errors="replace").rstrip())

    def _pass_on(self, line: _Line) -> None:
        match line.what:
            case "drained":
                self.refused = None
                votes, outcome, seconds = line.values
                self._observer.drained(votes, PlanOutcome(outcome), seconds)
            case "waiting":
                self.refused = None if line.values == [None] else self.refused
                self._observer.waiting(*line.values)
            case "away":
                self.refused = None
                self._observer.away(TemporaryError(*line.values))
            case "refused":
                self.refused = RefusedError(*line.values)
                self._observer.away(self.refused)
            case "parked":
                self._observer.parked(*line.values)
            case other:
                log.warning("drain.said", line=other)


class _Lines:
    """Writes down for the parent what the drain tells."""

    def drained(self, votes: int, outcome: PlanOutcome, seconds: float) -> None:
        """Pass on that a plan is done."""
        _say("drained", votes, outcome, seconds)

    def waiting(self, oldest_ms: int | None) -> None:
        """Pass on what a round has left."""
        _say("waiting", oldest_ms)

    def away(self, error: TemporaryError) -> None:
        """Pass on that a pass failed."""
        _say("refused" if isinstance(error, RefusedError) else "away", str(error))

    def parked(self, bucket: int, error: str) -> None:
        """Pass on that a bucket waits for somebody."""
        _say("parked", bucket, error)


def _say(what: str, *values: Any) -> None:
    """Write one line, in one write.

    A parent that is gone is noticed at our standard input.
    """
    line = msgspec.json.encode(_Line(what, list(values))) + b"\n"
    try:
        os.write(1, line)
    except OSError:
        return


def drain(settings: Settings) -> None:
    """Drain until the standard input ends."""
    os.nice(NICE)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent gets them too, and ends us
    set_up_logs(settings.log.level, settings.log.format)
    tables = VoteTables(partial(connect_clickhouse, settings), queries())
    lines = _Lines()
    work = Drain(VoteLog(redis_client(settings)), tables, lines, settings.votes.max_plan_votes)
    drainer = Drainer(work, lines, settings.votes.drain_interval)
    with Shutdown(settings.run.shutdown_deadline) as shutdown:  # the parent, if it lives, kills us before
        shutdown.on_end(tables.close)
        shutdown.run(Worker("drain", drainer, lambda error: _say("failed", str(error))))
        sys.stdin.buffer.read()


if __name__ == "__main__":
    drain(load())
