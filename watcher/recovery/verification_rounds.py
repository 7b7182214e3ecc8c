"""Has crucibles compared: all that take votes now and then, and at once one that somebody misses in Redis."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

import structlog

from watcher.model.errors import TemporaryError
from watcher.recovery.sweep import Sweep
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal, Task

log = structlog.get_logger(__name__)

ROUND_AWAY: Final = Retry(1.0, 1.0)
"""Waits before a round that failed is made again. Longer: votes are refused for longer once the neighbour is back."""


class VotedCrucibles(NamedTuple):
    """What the site says of its crucibles."""

    active: Collection[int]
    """Ids of those that take votes: compared in each round over all."""
    lately_finished: Collection[int]
    """Ids of those that took some until lately. Nobody compares them, and their logs expire; so those that hold votes
    get back the hint that a crash may have taken."""
    files: str = ""
    """Which files its tables lie in: others once somebody has emptied a table as a whole."""


class VerificationRounds(Task):
    """Compares crucibles in rounds: a task for a worker.

    Args:
        sweep: compares crucibles that need it.
        site: asks which crucibles there are.
        looked: told of those that take votes, at the end of each round over all.
        interval: seconds between two rounds over all.
    """

    def __init__(
        self,
        sweep: Sweep,
        site: Callable[[], VotedCrucibles],
        looked: Callable[[Collection[int]], None],
        interval: float,
    ) -> None:
        self.signal, self.retry = Signal(), ROUND_AWAY
        self._sweep, self._site, self._looked = sweep, site, looked
        self._interval = interval
        self._active_before: frozenset[int] = frozenset()
        self._emptied = False
        self._missed: set[int] = set()
        self._due = 0.0
        self._lock = threading.Lock()

    def missed(self, crucible_ids: Collection[int]) -> None:
        """Have crucibles compared now that Redis does not hold; return at once. May be called by any thread."""
        with self._lock:
            self._missed.update(crucible_ids)
        self.signal.wake()

    def emptied(self, table: str) -> None:
        """Have everything compared now, because somebody has emptied a table as a whole; return at once."""
        log.warning("table.emptied", table=table)
        self._emptied = True
        self.signal.wake()

    def turn(self) -> float:
        """Compare what somebody missed, and all that take votes when it is time.

        Returns:
            Seconds until it is time again.

        Raises:
            TemporaryError: a neighbour is away; what was not compared is compared by the next turn.
        """
        with self._lock:
            missed, self._missed = self._missed, set()
        active: Collection[int] = ()
        crucibles: VotedCrucibles | None = None
        try:
            if self._emptied or time.monotonic() >= self._due:
                crucibles = self._site()
                self._sweep.restore_hints(crucibles.lately_finished)
                active = crucibles.active
                self._due = time.monotonic() + self._interval
            try:
                self._sweep.verify(sorted(missed.union(active)), self._stopping)
            finally:
                if crucibles is not None:  # nor does one that cannot be compared keep those that are gone
                    self._look_for_gone(crucibles)
        except TemporaryError:
            with self._lock:
                self._missed |= missed.union(active)
            raise
        finally:
            if active:  # also when one of them could not be compared: the others' votes are counted all the same
                self._looked(active)
        return max(0.0, self._due - time.monotonic())

    def _look_for_gone(self, crucibles: VotedCrucibles) -> None:
        """See that nobody votes on a crucible that PostgreSQL does not have any more, however it went.

        Raises:
            TemporaryError: a neighbour is away; the next turn looks again.
        """
        if self._sweep.files_changed(crucibles.files) or self._emptied:
            self._emptied = False  # before: who empties a table meanwhile is heard once more
            try:
                found = self._sweep.doubt_all(crucibles.files)
            except TemporaryError:
                self._emptied = True
                raise
            gone = self._sweep.take_out_gone(found, self._stopping)
            self._sweep.compare(set(found).difference(gone), self._stopping)
        active = frozenset(crucibles.active)
        self._sweep.take_out_gone(sorted(self._active_before - active), self._stopping)
        self._active_before = active
        self._sweep.look_for_gone(self._stopping)

    def _stopping(self) -> bool:
        return self.signal.stopping

    def away(self, error: TemporaryError) -> None:
        """Log that a round will be made again."""
        log.warning("verifier.waiting", error=str(error))
