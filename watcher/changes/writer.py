"""The thread that writes plans, one after the other, so that Redis never waits for ClickHouse.

One thread, and not one a partition: each plan asks what is there before it sends, and two partitions of this process
that hold the same change (just after a topic grew) then see each other's rows.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from watcher.changes.lane import AbandonedError, Job
from watcher.changes.sink import RowSink
from watcher.clickhouse.sink import Outcome
from watcher.model.errors import TemporaryError
from watcher.runtime.failpoint import reach

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

    def __init__(self, sink: RowSink, failed: Callable[[TemporaryError], None]) -> None:
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
        while (jobs := self._waiting()) and not self._stop.is_set():
            present = self._ask([job for job in jobs if not job.recover])
            for job in jobs:
                try:
                    written = Written(job, self._write(job, present))
                except AbandonedError:
                    written = Written(job, None)
                except Exception as error:  # noqa: BLE001 - handed to the loop, which stops the daemon
                    written = Written(job, None, error)
                self.done.append(written)
                self.finished.set()
                if written.outcome not in {Outcome.WRITTEN, Outcome.REPEATED}:
                    present = None  # it took a while, and the answer is old
        self._sink.close()

    def _waiting(self) -> list[Job]:
        """Every job that waits, at least one; none at the end. Partitions tend to come due together."""
        jobs = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if self._jobs.empty():
                return jobs
            job = self._jobs.get()
        return []

    def _ask(self, jobs: list[Job]) -> list[set[bytes]] | None:
        """Which of the jobs' changes are there already, in one question for all; None when nobody answers."""
        if not jobs:
            return None
        try:
            return [self._sink.present([job.gathered.rows for job in jobs])]
        except Exception:  # noqa: BLE001 - the job itself meets it next, and knows what to make of it
            return None

    def _write(self, job: Job, present: list[set[bytes]] | None) -> Outcome:
        """Write one job; ``present`` is what was there before, and what the jobs before this one brought."""

        def permit() -> None:
            job.lane.permit()
            reach("insert.sending")

        rows, identities, wait = job.gathered.rows, job.gathered.identities, FIRST_WAIT
        known = None if job.recover else present
        while True:
            try:
                if known is None:
                    outcome = self._sink.recover(job.plan, rows, permit)
                else:
                    told = {who for some in known for who in some & identities}
                    outcome = self._sink.write(job.plan, rows, permit, told)
                    known.append(identities)
            except TemporaryError as error:
                self._failed(error)
                known = None
                if job.lane.lost or self._stop.wait(wait):
                    raise AbandonedError(job.lane.name) from error
                wait = min(wait * 2, LONGEST_WAIT)
            else:
                reach("insert.answered")
                return outcome
