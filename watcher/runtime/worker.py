"""The one way to be a thread: work is done in turns, by a thread that is woken when there is some and ended in time.

A *task* holds the work: one turn is an ordinary method, which a test calls without any thread. A *worker* is the thread
that takes the turns. A *signal* belongs to the task: it wakes the worker, and asks it to stop.
"""

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Protocol, runtime_checkable

import structlog

from watcher.model.errors import RefusedError, TemporaryError
from watcher.runtime.deadline import Deadline
from watcher.runtime.retry import Retry

log = structlog.get_logger(__name__)

_MAX_NAME_CHARACTERS: Final = 15
"""Characters of a thread's name that Linux keeps (``man 5 proc``, comm)."""
ONCE_A_SECOND: Final = Retry(1.0, 1.0)
"""Waits of a task that has no reason for others."""


class Signal:
    """Wakes a worker and asks it to stop: from any thread, and from a signal handler of the process.

    ``threading.Event`` would not do. It takes a lock to be set, and a signal handler that finds the lock taken by the
    very thread that it has interrupted waits for ever; a queue's ``put`` is made to be interrupted by another one.
    """

    def __init__(self) -> None:
        self.stopping = False
        """Whether the worker has been asked to stop; long turns look at it on their way."""
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._stops: SimpleQueue[None] = SimpleQueue()

    def wake(self) -> None:
        """Have the worker take a turn now; return at once. What it is to find must be in its place before."""
        if self._wakes.empty():
            self._wakes.put(None)

    def stop(self) -> None:
        """Ask the worker to stop; return at once."""
        self.stopping = True
        self._stops.put(None)
        self._wakes.put(None)

    def clear(self) -> None:
        """Forget calls to wake up that came until now, because what they are about is going to be looked at."""
        while _taken(self._wakes, 0.0):
            pass

    def wait(self, seconds: float) -> None:
        """Wait until woken or asked to stop, for some seconds at most; ``inf`` waits for as long as it takes."""
        if not self.stopping:
            _taken(self._wakes, seconds)

    def pause(self, seconds: float) -> bool:
        """Wait so many seconds, whoever wakes; at once when asked to stop.

        Returns:
            Whether the worker has been asked to stop.
        """
        if not self.stopping and _taken(self._stops, seconds):
            self._stops.put(None)  # for whoever else pauses
        return self.stopping


def _taken(calls: "SimpleQueue[None]", seconds: float) -> bool:
    try:
        calls.get(timeout=None if seconds == math.inf else max(0.0, seconds))
    except Empty:
        return False
    return True


class Task(Protocol):
    """Work that is done in turns, by one thread; ``signal`` alone may be used by others."""

    signal: Signal
    """Wakes whoever works, and asks to stop."""
    retry: Retry = ONCE_A_SECOND
    """Waits after turns that fail because a neighbour is away."""

    def turn(self) -> float | None:
        """Do what there is to do.

        Returns:
            Seconds until the next turn, if nobody wakes the worker before; ``inf`` to wait for that; None when there
            will be nothing to do any more.

        Raises:
            TemporaryError: a neighbour is away, or refuses; the turn is made again after a while.
            Exception: anything else ends the worker and is told to whoever started it.
        """
        ...

    def away(self, error: TemporaryError) -> None:
        """Log that a turn failed and will be made again."""
        log.warning("worker.waiting", task=type(self).__name__, error=str(error))

    def end(self) -> None:
        """Close what only this thread used; called after the last turn, in the same thread."""
        return


@runtime_checkable
class WaitsInPart(Protocol):
    """A task whose turns go through though a part of the work waits."""

    def refused_in_part(self) -> RefusedError | None:
        """Return what a neighbour says to a part of the work; None: to none of it. Called from any thread."""
        ...


class Worker:
    """The thread that takes a task's turns until it is asked to stop, or until one fails for good.

    Args:
        name: of the thread, as logs and stacks show it.
        task: what it does.
        failed: told of an error that does not go away by itself; the worker has ended then.
    """

    def __init__(self, name: str, task: Task, failed: Callable[[BaseException], None]) -> None:
        self.name, self._task, self._failed = name, task, failed
        self._refused: RefusedError | None = None
        # A daemon: one that does not end within the deadline must not keep the process.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def refused(self) -> RefusedError | None:
        """Return what a neighbour said to the last turn or a part of it; None: it was away, or refused nothing."""
        if self._refused is None and isinstance(self._task, WaitsInPart):
            return self._task.refused_in_part()
        return self._refused

    def start(self) -> None:
        """Take the first turn at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to stop after the turn under way; return at once. Safe in a signal handler."""
        self._task.signal.stop()

    def close(self, deadline: Deadline) -> bool:
        """Ask the worker to stop, and wait until it has or the deadline has passed.

        Returns:
            Whether it has ended; also for one that was never started.
        """
        self.stop()
        if self._thread.ident is None:
            return True
        left = deadline.remaining()
        self._thread.join(None if left == math.inf else left)
        return not self._thread.is_alive()

    def _run(self) -> None:
        _show_name(self.name)
        try:
            self._turns()
        except BaseException as error:  # noqa: BLE001 - handed on: whoever started the worker decides
            self._failed(error)
        try:
            self._task.end()
        except TemporaryError as error:
            self._task.away(error)
        except BaseException as error:  # noqa: BLE001 - as above
            self._failed(error)

    def _turns(self) -> None:
        task, signal, failures = self._task, self._task.signal, 0
        while not signal.stopping:
            try:
                seconds = task.turn()
            except TemporaryError as error:
                failures += 1
                self._refused = error if isinstance(error, RefusedError) else None
                task.away(error)
                signal.pause(task.retry.wait_seconds(failures))
                continue
            failures, self._refused = 0, None
            if seconds is None:
                return
            signal.wait(seconds)


def _show_name(name: str) -> None:
    """Have the system list this thread under its name, as ``top -H`` shows it, where the system lets us (Linux)."""
    with suppress(OSError):
        short = name[:_MAX_NAME_CHARACTERS]
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(short, encoding="utf-8")
