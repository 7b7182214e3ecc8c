"""Leaky buckets of users: what is charged drains at a steady rate, as in ``watcher/redis/lua/limit.lua``."""

import time
from collections.abc import Callable
from typing import Final

MAX_USERS: Final = 50_000
"""Users whose bucket is remembered; above it the one that was charged longest ago counts as empty again."""
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
    >>> buckets.charge(7, 2); buckets.left(7), buckets.wait_seconds(7), buckets.wait_seconds(7, ahead=1)
    (1, 0.0, 20.0)
    >>> buckets.charge(7); now = 5.0; buckets.left(7), buckets.wait_seconds(7), buckets.full_seconds(7)
    (0, 15.0, 55.0)
    """

    def __init__(self, holds: int, window_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._holds, self._window_seconds, self._clock = holds, window_seconds, clock
        self.each_seconds = window_seconds / holds
        self._tolerance = min(_TOLERANCE_SECONDS, self.each_seconds / 2)
        self._empty_at: dict[int, float] = {}

    def left(self, user_id: int) -> int:
        """Return how many requests the user may send at once."""
        return max(0, int((self._room_seconds(user_id)) / self.each_seconds))

    def wait_seconds(self, user_id: int, ahead: int = 0) -> float:
        """Return the seconds until the user may send one more; 0: now.

        Args:
            user_id: who.
            ahead: requests of the user that are about to be charged.
        """
        if user_id not in self._empty_at and ahead < self._holds:
            return 0.0
        room = self._room_seconds(user_id) - ahead * self.each_seconds
        return 0.0 if room >= self.each_seconds else self.each_seconds - room

    def full_seconds(self, user_id: int) -> float:
        """Return the seconds until the user's bucket is empty, and all requests are free again."""
        return max(0.0, self._empty_at.get(user_id, 0.0) - self._clock())

    def charge(self, user_id: int, requests: int = 1) -> None:
        """Put requests into the user's bucket; more than it holds twice are forgiven."""
        self.say(user_id, self.full_seconds(user_id) + requests * self.each_seconds)

    def say(self, user_id: int, full_seconds: float) -> None:
        """Take it from somebody who knows when the user's bucket is empty.

        Args:
            user_id: who.
            full_seconds: seconds from now.
        """
        self._empty_at.pop(user_id, None)
        if len(self._empty_at) >= MAX_USERS:
            del self._empty_at[next(iter(self._empty_at))]
        self._empty_at[user_id] = self._clock() + min(full_seconds, 2 * self._window_seconds)

    def _room_seconds(self, user_id: int) -> float:
        return self._window_seconds - self.full_seconds(user_id) + self._tolerance
