"""How a process ends: in one order, under one deadline, with one error to tell.

1. *Stop taking*: as soon as the end begins, in the signal handler itself, everybody who brings in work is told: the
   change stream's loop, the HTTP server, and workers that look for work of their own.
2. *Finish what is under way*: the role returns when its batches are written, its requests answered.
3. *Workers*: all that are left are asked to stop, and only then is anybody waited for, so that they end side by side.
4. *Connections* are closed, the last one made first.

The deadline begins with step 1 and goes through to step 3. Each step and each worker has what those before it left, and
nobody has seconds of their own: what did not end in time is left alone, and the next process finishes its work. Step 4
waits for nobody. Closing takes moments; a neighbour that stands still may take its own timeout once more.
"""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol, Self

import structlog

from watcher.model.errors import RefusedError
from watcher.runtime import clock
from watcher.runtime.deadline import Deadline
from watcher.runtime.worker import Signal

log = structlog.get_logger(__name__)


class Ends(Protocol):
    """What runs beside the main thread, as a :class:`watcher.runtime.worker.Worker` does."""

    @property
    def name(self) -> str:
        """Return the name by which logs call it."""
        ...

    @property
    def refused(self) -> RefusedError | None:
        """Return what a neighbour says that is there and keeps it from its work; None where none does."""
        ...

    def start(self) -> None:
        """Begin to work; return at once."""
        ...

    def stop(self) -> None:
        """Begin to end; return at once."""
        ...

    def close(self, deadline: Deadline) -> bool:
        """Wait until it has ended or the deadline has passed; return whether it has ended."""
        ...


class Shutdown:
    """The end of one process, which it is made for at the start. Leaving the block is steps 3 and 4.

    Args:
        seconds: from the beginning of the end until nobody is waited for any more.
        now: monotonic seconds.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = clock.now) -> None:
        self._seconds, self._now = seconds, now
        self._deadline: Deadline | None = None
        self._signal = Signal()
        self._failure: BaseException | None = None
        self._stops: list[Callable[[], None]] = []
        self._workers: list[Ends] = []
        self._connections = ExitStack()

    @property
    def begun(self) -> bool:
        """Return whether the process is ending: nothing more is to be taken."""
        return self._deadline is not None

    @property
    def deadline(self) -> Deadline:
        """Return the one deadline of the process; before the end has begun, the one that would hold if it began now."""
        return self._deadline or Deadline.after(self._seconds, self._now)

    def remaining(self) -> float:
        """Return the seconds that are left until the deadline."""
        return self.deadline.remaining()

    def pause(self, seconds: float) -> bool:
        """Wait so many seconds, less if the end begins; return whether it has begun."""
        return self._signal.pause(seconds)

    def begin(self) -> None:
        """Begin to end; return at once. For any thread, and for signal handlers; the first call counts."""
        if self._deadline is None:
            self._deadline = Deadline.after(self._seconds, self._now)
            self._signal.stop()
            for stop in self._stops:
                stop()

    def fail(self, error: BaseException) -> None:
        """Begin to end because of an error that does not go away by itself; the first one is raised at the very end."""
        log.error("thread.failed", error=f"{type(error).__name__}: {error}")
        self._failure = self._failure or error
        self.begin()

    def on_begin(self, stop: Callable[[], None]) -> None:
        """Have this called when the end begins, or now if it has. It must return at once and take no lock."""
        self._stops.append(stop)
        if self.begun:
            stop()

    def run(self, worker: Ends, *, until_finished: bool = False) -> None:
        """Start a worker, which ends with the process.

        Args:
            worker: not started yet.
            until_finished: what is under way needs it, so it is asked to stop in step 3. Others are in step 1.
        """
        self._workers.append(worker)
        worker.start()
        if not until_finished:
            self.on_begin(worker.stop)

    def ping(self) -> None:
        """Check that no worker waits because a neighbour refuses what it needs; a check of readiness.

        Raises:
            RefusedError: some do; the message has each with what it was told.
        """
        names: dict[str, list[str]] = {}
        for one in self._workers:
            if (refused := one.refused) is not None:
                names.setdefault(str(refused), []).append(one.name)
        if names:
            raise RefusedError("; ".join(f"{', '.join(some)}: {said}" for said, some in names.items()))

    def on_end(self, close: Callable[[], None]) -> None:
        """Have a connection closed in step 4, before those that were given earlier."""
        self._connections.callback(close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers and close the connections.

        Raises:
            BaseException: what the first worker failed with, unless the block has raised something itself.
        """
        self.begin()
        with self._connections:
            last_first = self._workers[::-1]
            for worker in last_first:
                worker.stop()
            left = [worker.name for worker in last_first if not worker.close(self.deadline)]
            if left:
                log.warning("workers.left", workers=left, seconds=self._seconds)
        if error is None and self._failure is not None:
            raise self._failure
