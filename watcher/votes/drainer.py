"""The thread that drains: every bucket in its turn, and one that fails holds up no other."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from watcher.model.errors import SinkDisagreesError, TemporaryError
from watcher.redis.keys import BUCKETS
from watcher.votes.drain import DrainObserver

FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0
"""Seconds after a failed pass over a bucket, doubling."""
PARKED: Final = 60.0
"""Seconds until a bucket is looked at again whose votes ClickHouse does not show as written. Shorter: the same
questions again and again; longer: its votes wait after somebody has mended it."""
CALM: Final = 500
"""Votes of the largest plan up to which the drain looks again as soon as it may."""
REST: Final = 3.0
"""How much longer than a round of many votes its rest is at least. Smaller: inserts of few votes each, one after the
other, take processors away from the votes themselves; larger: numbers in ClickHouse are older while many vote."""
LONGEST_REST: Final = 2.0
"""Seconds that a rest grows to: when a round was slow because ClickHouse is, waiting helps nobody."""


class Passes(Protocol):
    """Passes over buckets, as :class:`watcher.votes.drain.Drain` makes them."""

    max_votes: int
    oldest: dict[int, int]

    def quiet(self) -> set[int]:
        """Buckets in which there is nothing to drain."""
        ...

    def turn(self, bucket: int) -> int:
        """Drain a bucket's next votes; returns how many."""
        ...


@dataclass(slots=True)
class _Turn:
    """When a bucket is next looked at."""

    due: float = 0.0
    """Monotonic seconds."""
    wait: float = FIRST_WAIT
    looked: int = 0
    """When a pass over it last went through: milliseconds since 1970."""


class Drainer:
    """The thread that drains every bucket, again and again; one that fails waits on its own, and holds up no other.

    Args:
        drain: what it does.
        observer: told.
        interval: seconds between two rounds, at least.
        failed: told of an error that does not go away by itself; the thread has ended then.
    """

    def __init__(
        self, drain: Passes, observer: DrainObserver, interval: float, failed: Callable[[Exception], None]
    ) -> None:
        self._drain, self._observer, self._interval, self._failed = drain, observer, interval, failed
        now = _now_ms()
        self._turns = [_Turn(looked=now) for _ in range(BUCKETS)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, timeout: float) -> None:
        """End the thread; what it has not drained stays in Redis."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                drained = self.round()
            except Exception as error:  # noqa: BLE001 - handed on; whoever started us decides
                self._failed(error)
                return
            # Soon again after a full plan; else let votes gather, for few and large inserts.
            whole, calm = drained >= self._drain.max_votes, drained <= CALM
            took = 0.0 if calm else time.monotonic() - began
            self._stop.wait(0 if whole else rest(self._interval, took))

    def round(self) -> int:
        """One pass over every bucket whose time it is.

        Returns:
            Votes of the largest plan.

        Raises:
            Exception: what neither waiting nor the other buckets get past.
        """
        most, quiet = 0, self._quiet()
        for bucket, turn in enumerate(self._turns):
            if self._stop.is_set():
                break
            if time.monotonic() >= turn.due:
                most = max(most, self._turn(bucket, turn, quiet=bucket in quiet))
        self._observer.waiting(min((*self._drain.oldest.values(), *self._unseen()), default=None))
        return most

    def _quiet(self) -> set[int]:
        if all(turn.due for turn in self._turns):
            return set()  # Redis was away: whoever's time it is asks for itself
        try:
            return self._drain.quiet()
        except TemporaryError:
            return set()  # each bucket's pass says so

    def _turn(self, bucket: int, turn: _Turn, *, quiet: bool) -> int:
        began = _now_ms()
        try:
            drained = 0 if quiet else self._drain.turn(bucket)
        except TemporaryError as error:
            self._observer.away(error)
            turn.due = time.monotonic() + turn.wait
            turn.wait = min(turn.wait * 2, LONGEST_WAIT)
            return 0
        except SinkDisagreesError as error:
            self._observer.parked(bucket, str(error))
            turn.due = time.monotonic() + PARKED
            return 0
        turn.due, turn.wait, turn.looked = 0.0, FIRST_WAIT, began
        return drained

    def _unseen(self) -> Iterator[int]:
        """Since when votes may wait in buckets that could not be looked at."""
        for bucket, turn in enumerate(self._turns):
            if turn.due and bucket not in self._drain.oldest:
                yield turn.looked


def rest(interval: float, took: float) -> float:
    """Seconds until the next round: the share of time in which votes are drained stays bounded, however many there are.

    Args:
        interval: seconds between two rounds, at least.
        took: seconds of the last round, if it drained many.

    >>> rest(0.25, 0.05), rest(0.25, 0.5), rest(0.25, 30.0), rest(5.0, 30.0)
    (0.25, 1.5, 2.0, 5.0)
    """
    return max(interval, min(REST * took, LONGEST_REST))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
