"""Writes plans one after the other, in a worker of its own, so that Redis never waits for ClickHouse.

One worker, and not one a partition: each plan asks what is there before it sends, and two partitions of this process
that hold the same change (just after a topic grew) then see each other's rows.
"""

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from watcher.changes.lane import AbandonedError, Job
from watcher.changes.sink import RowSink
from watcher.model.errors import TemporaryError
from watcher.model.plan_outcome import PlanOutcome
from watcher.runtime.failpoint import reach
from watcher.runtime.retry import Retry, retry
from watcher.runtime.worker import Signal, Task

ATTEMPTS: Final = Retry(0.2, 5.0)
"""Waits between attempts at one plan. Longer: rows appear later once ClickHouse is back; shorter: it is hammered."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job."""

    job: Job
    outcome: PlanOutcome | None
    """None when the partition was taken away first."""
    error: Exception | None = None
    """A reason to stop the daemon."""
    repeated: frozenset[bytes] = frozenset()
    """Identities that were there before anything of the job was sent: changes that were delivered again."""


class Writer(Task):
    """Takes jobs and gives results, both without making the loop wait.

    Args:
        sink: where plans go; used and closed by the worker's thread alone.
        away: told of each failed attempt, with its error.
    """

    def __init__(self, sink: RowSink, away: Callable[[TemporaryError], None]) -> None:
        self.signal = Signal()
        self._sink, self._away = sink, away
        self._jobs: deque[Job] = deque()
        self.done: deque[JobResult] = deque()
        """Results that the loop has not taken yet."""
        self.finished = threading.Event()
        """Set when a result was added; the reader clears it."""

    def submit(self, job: Job) -> None:
        """Have a job written when its turn comes; return at once."""
        self._jobs.append(job)
        self.signal.wake()

    def turn(self) -> float:
        """Write every job that waits: partitions tend to come due together, and are asked about in one question.

        What is left when the process ends stays open in Kafka and is finished by the next owner.
        """
        jobs = [self._jobs.popleft() for _ in range(len(self._jobs))]
        present = self._ask([job for job in jobs if not job.recover])
        for job in jobs:
            if self.signal.stopping:
                break
            written = self._outcome(job, present)
            self.done.append(written)
            self.finished.set()
            if written.outcome not in {PlanOutcome.WRITTEN, PlanOutcome.REPEATED}:
                present = None  # it took a while, and the answer is old
        return math.inf

    def end(self) -> None:
        """Close the sink, whose connection is this thread's."""
        self._sink.close()

    def _outcome(self, job: Job, present: list[set[bytes]] | None) -> JobResult:
        try:
            outcome, repeated = self._write(job, present)
            return JobResult(job, outcome, repeated=repeated)
        except AbandonedError:
            return JobResult(job, None)
        except Exception as error:  # noqa: BLE001 - handed to the loop, which stops the daemon
            return JobResult(job, None, error)

    def _ask(self, jobs: list[Job]) -> list[set[bytes]] | None:
        """Return which of the jobs' changes ClickHouse has, by one question for all; None when it is away."""
        if not jobs:
            return None
        try:
            return [self._sink.present([job.gathered.rows for job in jobs])]
        except Exception:  # noqa: BLE001 - the job itself meets it next, and knows what to make of it
            return None

    def _write(self, job: Job, present: list[set[bytes]] | None) -> tuple[PlanOutcome, frozenset[bytes]]:
        """Write one job, however many attempts it takes; return what it came to, and which changes were there before.

        Args:
            job: what to write.
            present: what was there before, and what the jobs before this one brought; this one's is added.

        Raises:
            AbandonedError: the partition was taken away, or the process ends.
        """
        rows, identities = job.gathered.rows, job.gathered.identities
        known = None if job.recover else present
        repeated: frozenset[bytes] = frozenset()

        def permit() -> None:
            job.lane.permit()
            reach("insert.sending")

        def attempt() -> PlanOutcome:
            nonlocal known, repeated
            if known is None:
                return self._sink.recover(job.plan, rows, permit)
            asked, known = known, None  # whatever comes of this, another attempt would have to ask again
            repeated = frozenset(one for some in asked for one in some & identities)
            outcome = self._sink.write(job.plan, rows, permit, set(repeated))
            asked.append(identities)
            return outcome

        policy = replace(ATTEMPTS, give_up=lambda *_: job.lane.lost)
        try:
            outcome = retry(attempt, policy, self.signal.pause, self._away)
        except TemporaryError as error:
            raise AbandonedError(job.lane.name) from error
        reach("insert.answered")
        return outcome, repeated
