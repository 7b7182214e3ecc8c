"""The thread that writes plans, one after the other, so that Redis never waits for ClickHouse.

One thread, and not one a partition: each plan asks what is there before it sends, and two partitions of this process
that hold the same change (just after a topic grew) then see each other's rows.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from watcher.engine.failpoint import reach
from watcher.engine.lane import AbandonedError, Job
from watcher.model.errors import TemporaryError
from watcher.sinks.clickhouse import ClickHouseSink, Outcome

FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0
"""Seconds between attempts, doubling from the first to the longest. Longer: slower to resume; shorter: hammering."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a job."""

    job: Job
    outcome: Outcome | None
    """None when the partition was taken away first."""
    error: Exception | None = None
    """A reason to stop the daemon."""


class Writer:
    """Takes jobs, gives results; both without blocking the loop.

    Args:
        sink: where plans go.
        failed: told of each failed attempt, with its error.
    """

    def __init__(self, sink: ClickHouseSink, failed: Callable[[TemporaryError], None]) -> None:
        self._sink, self._failed = sink, failed
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self.done: deque[Written] = deque()
        self.finished = threading.Event()
        """Set when a result was added; the reader clears it."""
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Write this when its turn comes."""
        self._jobs.put(job)

    def close(self, timeout: float) -> None:
        """End the thread; what it has not written stays open in Kafka and is finished by the next owner."""
        self._stop.set()
        self._jobs.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stop.is_set():
            try:
                written = Written(job, self._write(job))
            except AbandonedError:
                written = Written(job, None)
            except Exception as error:  # noqa: BLE001 - handed to the loop, which stops the daemon
                written = Written(job, None, error)
            self.done.append(written)
            self.finished.set()
        self._sink.close()

    def _write(self, job: Job) -> Outcome:
        def permit() -> None:
            job.lane.permit()
            reach("insert.sending")

        recover, wait = job.recover, FIRST_WAIT
        while True:
            try:
                write = self._sink.recover if recover else self._sink.write
                outcome = write(job.plan, job.gathered.rows, permit)
            except TemporaryError as error:
                self._failed(error)
                recover = True
                if job.lane.lost or self._stop.wait(wait):
                    raise AbandonedError(job.lane.name) from error
                wait = min(wait * 2, LONGEST_WAIT)
            else:
                reach("insert.answered")
                return outcome
