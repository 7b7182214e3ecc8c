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

import clickhouse_sql
from config import Settings, load
from watcher.bootstrap.clients import connect_clickhouse, redis_client
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.errors import StopError, TemporaryError
from watcher.redis.vote_log import VoteLog
from watcher.telemetry.logs import set_up_logs
from watcher.votes.drain import Drain, DrainObserver
from watcher.votes.drainer import Drainer

log = structlog.get_logger(__name__)

CLOSING: Final = 3.0
"""Seconds that the child has to end; what it leaves is finished by the next process."""
CHILD_CLOSING: Final = 2.0
"""Seconds that the child's thread has of them."""
GONE: Final = 1.0
"""Seconds until we have heard of the end of a child that has ended."""
AGAIN: Final = 1.0
"""Seconds until a child that ended by itself is started anew."""

NICE: Final = 10
"""How far the child stands back where processors are short (``man 2 nice``): votes are answered first, and drained with
a tenth of a processor if need be, which is enough for some thousands a second. More: they would wait in Redis."""


class _Said(msgspec.Struct):
    """A line of the child."""

    what: str
    """``drained``, ``waiting``, ``away``, ``parked`` or ``failed``."""
    given: list[Any]


class DrainProcess:
    """The child, started anew when it ends by itself.

    Args:
        observer: told what the child did.
        failed: told of an error that does not go away by itself; the child has ended then.
        command: what the child runs.
    """

    def __init__(
        self,
        observer: DrainObserver,
        failed: Callable[[Exception], None],
        command: Sequence[str] = (sys.executable, "-m", __name__),
    ) -> None:
        self._command = command
        self._observer, self._failed = observer, failed
        self._child: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._stop.set()
            child = self._child
        if child is not None and child.stdin is not None:
            child.stdin.close()
            try:
                child.wait(CLOSING)
            except subprocess.TimeoutExpired:
                child.kill()
        if self._thread.ident is not None:
            self._thread.join(GONE)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                code = self._once()
            except Exception as error:  # votes must go on being drained, whatever it was; a fork may fail, for one
                log.exception("drain.unwatched")
                self._observer.away(TemporaryError(f"the drain's process: {type(error).__name__}: {error}"))
                code = None
            else:
                if code is None:
                    return
            if not self._stop.wait(AGAIN):
                log.warning("drain.restarted", code=code)

    def _once(self) -> int | None:
        """One life of the child; its exit code, or None if no other one may follow."""
        with self._lock:
            if self._stop.is_set():
                return None
            child = self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with child:
            if not self._listen(child):
                return None
        return child.returncode

    def _listen(self, child: "subprocess.Popen[bytes]") -> bool:
        """Pass on what the child says until it ends; whether it may be started again."""
        for line in child.stdout or ():
            try:
                said = msgspec.json.decode(line, type=_Said)
                if said.what == "failed":
                    self._failed(StopError(*said.given))
                    return False
                self._pass_on(said)
            except (msgspec.DecodeError, UnicodeDecodeError, TypeError):  # a library's own words, for instance
                log.warning("drain.said", line=line.decode(errors="replace").rstrip())
        return True

    def _pass_on(self, said: _Said) -> None:
        match said.what:
            case "drained":
                self._observer.drained(*said.given)
            case "waiting":
                self._observer.waiting(*said.given)
            case "away":
                self._observer.away(TemporaryError(*said.given))
            case "parked":
                self._observer.parked(*said.given)
            case other:
                log.warning("drain.said", line=other)


class _Speaking:
    """What the drain tells, as lines."""

    def drained(self, votes: int, outcome: str, seconds: float) -> None:
        """A plan is done."""
        _say("drained", votes, outcome, seconds)

    def waiting(self, oldest_ms: int | None) -> None:
        """A round is done."""
        _say("waiting", oldest_ms)

    def away(self, error: TemporaryError) -> None:
        """A pass failed."""
        _say("away", str(error))

    def parked(self, bucket: int, error: str) -> None:
        """A bucket waits for somebody."""
        _say("parked", bucket, error)


def _say(what: str, *given: Any) -> None:
    """One line, in one write.

    A parent that is gone is noticed at our standard input.
    """
    line = msgspec.json.encode(_Said(what, list(given))) + b"\n"
    try:
        os.write(1, line)
    except OSError:
        return


def drain(settings: Settings) -> None:
    """Drain until our standard input ends."""
    os.nice(NICE)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent gets them too, and ends us
    set_up_logs(settings.log.level, settings.log.format)
    tables = VoteTables(partial(connect_clickhouse, settings), clickhouse_sql.queries())
    speaking = _Speaking()
    work = Drain(VoteLog(redis_client(settings)), tables, speaking, settings.votes.max_plan_votes)
    drainer = Drainer(work, speaking, settings.votes.drain_interval, lambda error: _say("failed", str(error)))
    drainer.start()
    sys.stdin.buffer.read()
    drainer.close(CHILD_CLOSING)
    tables.close()


if __name__ == "__main__":
    drain(load())
