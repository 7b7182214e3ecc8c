"""Drains in turns: every bucket in its time; one that fails holds up no other."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from watcher.model.errors import RefusedError, SinkDisagreesError, TemporaryError
from watcher.redis.keys import BUCKETS
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal, Task
from watcher.votes.observer import DrainObserver

BUCKET_AWAY: Final = Retry(0.25, 5.0)
"""Waits after failed passes over a bucket. Shorter: hammering; longer: its votes wait once the neighbour is back."""
PARKED_SECONDS: Final = 60.0
"""Seconds until a bucket is looked at again whose votes ClickHouse does not show as written. Shorter: the same
questions again and again; longer: its votes wait after somebody has mended it."""
CALM_VOTES: Final = 500
"""Votes of the largest plan up to which the drain looks again as soon as it may."""
REST_SHARE: Final = 3.0
"""How much longer than a round of many votes its rest is at least. Smaller: inserts of few votes each, one after the
other, take processors away from the votes themselves; larger: numbers in ClickHouse are older while many vote."""
LONGEST_REST_SECONDS: Final = 2.0
"""What a rest grows to: when a round was slow because ClickHouse is, waiting helps nobody."""
IDLE_AFTER_SECONDS: Final = 5.0
"""Without a vote until the drain looks more seldom. Shorter: it does so between the votes of a slow contest."""
IDLE_REST_SECONDS: Final = 1.0
"""Seconds between two rounds while nobody votes, at least. Longer: the first votes are seen in ClickHouse later;
shorter: more questions for nothing, in each process of a site that is idle most of the day."""
SAID_SECONDS: Final = 1.0
"""How often the observer hears that nothing waits. Longer: the metric of it lags; shorter: an idle process is less
idle, and that of the drain beside the API wakes its parent each time."""


class Passes(Protocol):
    """Passes over buckets, as :class:`watcher.votes.drain.Drain` makes them."""

    max_votes: int
    """Votes of the largest plan."""

    @property
    def oldest(self) -> Mapping[int, int]:
        """Return by bucket when the oldest vote was cast that a pass found and left: milliseconds since 1970."""
        ...

    def quiet(self) -> set[int]:
        """Return the buckets in which there is nothing to drain."""
        ...

    def turn(self, bucket: int) -> int:
        """Drain a bucket's next votes, and return how many."""
        ...


@dataclass(slots=True)
class _Bucket:
    """When a bucket is next looked at."""

    due: float = 0.0
    """Monotonic seconds; 0 for the next round."""
    failures: int = 0
    """Passes over it that failed in a row because a neighbour was away."""
    refused: RefusedError | None = None
    """What a neighbour said to the last pass over it, if it was there and refused."""
    looked: int = 0
    """When a pass over it last went through: milliseconds since 1970."""


class Drainer(Task):
    """Drains every bucket, again and again; one that fails waits on its own.

    Args:
        drain: makes the passes.
        observer: told of what fails, and after a round since when votes wait.
        interval: seconds between two rounds, at least.
    """

    def __init__(self, drain: Passes, observer: DrainObserver, interval: float) -> None:
        self.signal = Signal()
        self._drain, self._observer, self._interval = drain, observer, interval
        now = _now_ms()
        self._buckets = [_Bucket(looked=now) for _ in range(BUCKETS)]
        self._said = -SAID_SECONDS
        self._voted_at = time.monotonic()
        """When votes were last there to be drained."""

    def turn(self) -> float:
        """Make a round, and return the seconds to rest: none after a full plan, else until votes have gathered."""
        began = time.monotonic()
        drained = self.round()
        now = time.monotonic()
        if drained or self._drain.oldest:
            self._voted_at = now
        if drained >= self._drain.max_votes:
            return 0.0
        if now - self._voted_at >= IDLE_AFTER_SECONDS:
            return max(self._interval, IDLE_REST_SECONDS)
        return rest(self._interval, 0.0 if drained <= CALM_VOTES else now - began)

    def refused_in_part(self) -> RefusedError | None:
        """Return what a neighbour has said to the last pass over some bucket."""
        return next((bucket.refused for bucket in self._buckets if bucket.refused), None)

    def round(self) -> int:
        """Make one pass over every bucket whose time it is.

        Returns:
            Votes of the largest plan.

        Raises:
            Exception: what neither waiting nor the other buckets get past.
        """
        most, quiet = 0, self._quiet()
        for number, bucket in enumerate(self._buckets):
            if self.signal.stopping:
                break
            if time.monotonic() >= bucket.due:
                most = max(most, self._pass_over(number, bucket, quiet=number in quiet))
        self._say(min((*self._drain.oldest.values(), *self._unseen()), default=None))
        return most

    def _say(self, oldest_ms: int | None) -> None:
        now = time.monotonic()
        if oldest_ms is not None or now - self._said >= SAID_SECONDS:
            self._said = now if oldest_ms is None else -SAID_SECONDS  # the first round without any is told at once
            self._observer.waiting(oldest_ms)

    def _quiet(self) -> set[int]:
        if all(bucket.due for bucket in self._buckets):
            return set()  # Redis was away: whoever's time it is asks for itself
        try:
            return self._drain.quiet()
        except TemporaryError:
            return set()  # each bucket's pass says so

    def _pass_over(self, number: int, bucket: _Bucket, *, quiet: bool) -> int:
        began = _now_ms()
        try:
            drained = 0 if quiet else self._drain.turn(number)
        except TemporaryError as error:
            self._observer.away(error)
            bucket.failures += 1
            bucket.refused = error if isinstance(error, RefusedError) else None
            bucket.due = time.monotonic() + BUCKET_AWAY.wait_seconds(bucket.failures)
            return 0
        except SinkDisagreesError as error:
            self._observer.parked(number, str(error))
            bucket.due = time.monotonic() + PARKED_SECONDS
            return 0
        bucket.due, bucket.failures, bucket.refused, bucket.looked = 0.0, 0, None, began
        return drained

    def _unseen(self) -> Iterator[int]:
        """Yield since when votes may wait in buckets that could not be looked at; milliseconds since 1970."""
        for number, bucket in enumerate(self._buckets):
            if bucket.due and number not in self._drain.oldest:
                yield bucket.looked


def rest(interval: float, took: float) -> float:
    """Return the seconds until the next round, so that the share of time in which votes are drained stays bounded.

    Args:
        interval: seconds between two rounds, at least.
        took: seconds of the last round, if it drained many.

    >>> rest(0.25, 0.05), rest(0.25, 0.5), rest(0.25, 30.0), rest(5.0, 30.0)
    (0.25, 1.5, 2.0, 5.0)
    """
    return max(interval, min(REST_SHARE * took, LONGEST_REST_SECONDS))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
