"""Leaky buckets of users: what is charged drains at a steady rate, as in ``watcher/redis/lua/limit.lua``."""

import time
from collections.abc import Callable
from typing import Final

MAX_USERS: Final = 50_000
"""Users whose bucket is remembered; above it the one that has been for longest counts as empty."""
_TOLERANCE_SECONDS: Final = 0.0015
"""What is told in whole milliseconds may be that much more than it is."""


class LeakyBuckets:
    """A bucket for each user.

    Args:
        holds: requests of one burst.
        window_seconds: in which a full bucket drains.
        clock: monotonic seconds.

    >>> now = 0.0
    >>> buckets = LeakyBuckets(3, 60.0, lambda: now)
    >>> buckets.charge(7), buckets.charge(7), buckets.left(7), buckets.wait_seconds(7)
    (None, None, (1, 40.0), 0.0)
    >>> buckets.charge(7); now = 5.0; round(buckets.wait_seconds(7), 2), buckets.wait_seconds(8, ahead=2)
    (15.0, 0.0)
    """

    __slots__ = ("_clock", "_empty_at", "_tolerance", "_window_seconds", "each_seconds")

    def __init__(self, holds: int, window_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_seconds, self._clock = window_seconds, clock
        self.each_seconds = window_seconds / holds
        self._tolerance = min(_TOLERANCE_SECONDS, self.each_seconds / 2)
        self._empty_at: dict[int, float] = {}

    def left(self, user_id: int) -> tuple[int, float]:
        """Return how many requests the user may send at once, and the seconds until the next, or else all, are free."""
        full = self._empty_at.get(user_id, 0.0) - self._clock()
        full = max(full, 0.0)
        room = self._window_seconds - full + self._tolerance
        if room >= self.each_seconds:
            return int(room / self.each_seconds), full
        return 0, self.each_seconds - room

    def wait_seconds(self, user_id: int, ahead: int = 0) -> float:
        """Return the seconds until the user may send one more; 0: now.

        Args:
            user_id: who.
            ahead: requests of the user that are about to be charged.
        """
        full = self._empty_at.get(user_id, 0.0) - self._clock()
        full = max(full, 0.0)
        wait = (ahead + 1) * self.each_seconds + full - self._window_seconds - self._tolerance
        return max(0.0, wait)

    def charge(self, user_id: int) -> None:
        """Put a request into the user's bucket; more than it holds twice are forgiven."""
        now, entries = self._clock(), self._empty_at
        empty_at = entries.get(user_id, 0.0)
        if empty_at <= now:
            empty_at = now
            if user_id not in entries and len(entries) >= MAX_USERS:
                del entries[next(iter(entries))]
        if empty_at - now < 2 * self._window_seconds:
            entries[user_id] = empty_at + self.each_seconds

    def say(self, user_id: int, full_seconds: float) -> None:
        """Note when the bucket of a user will be empty, as Redis tells, if the bucket is remembered.

        Args:
            user_id: who.
            full_seconds: seconds from now.
        """
        if user_id in self._empty_at:
            self._empty_at[user_id] = self._clock() + min(full_seconds, 2 * self._window_seconds)
