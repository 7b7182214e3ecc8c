"""Has crucibles compared: all that take votes at the start and every so often, and one that somebody missed at once."""

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


class SiteCrucibles(NamedTuple):
    """What the site says of its crucibles."""

    active: Collection[int]
    """Ids of those that take votes: compared in each round over all."""
    lately_finished: Collection[int]
    """Ids of those that took some until lately. Nobody compares them, and their logs expire; so those that hold votes
    get back the hint that a crash may have taken."""


class VerificationRounds(Task):
    """Makes the rounds.

    Args:
        sweep: compares crucibles that need it.
        site: asks which crucibles there are.
        looked: told of those that take votes, at the end of each round over all.
        interval: seconds between two rounds over all.
    """

    def __init__(
        self,
        sweep: Sweep,
        site: Callable[[], SiteCrucibles],
        looked: Callable[[Collection[int]], None],
        interval: float,
    ) -> None:
        self.signal, self.retry = Signal(), ROUND_AWAY
        self._sweep, self._site, self._looked = sweep, site, looked
        self._interval = interval
        self._missed: set[int] = set()
        self._due = 0.0
        self._lock = threading.Lock()

    def missed(self, crucible_ids: Collection[int]) -> None:
        """Have these compared now, because Redis does not hold them; returns at once. For any thread."""
        with self._lock:
            self._missed.update(crucible_ids)
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
        try:
            if time.monotonic() >= self._due:
                crucibles = self._site()
                self._sweep.restore_hints(crucibles.lately_finished)
                active = crucibles.active
                self._due = time.monotonic() + self._interval
            self._sweep.verify(sorted(missed.union(active)), lambda: self.signal.stopping)
        except TemporaryError:
            with self._lock:
                self._missed |= missed.union(active)
            raise
        finally:
            if active:  # also when one of them could not be compared: the others' votes are counted all the same
                self._looked(active)
        return max(0.0, self._due - time.monotonic())

    def away(self, error: TemporaryError) -> None:
        """Log that a round will be made again."""
        log.warning("verifier.waiting", error=str(error))
