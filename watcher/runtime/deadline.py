"""The moment when something has to be over: one value, shared by everybody who takes part in it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from watcher.runtime import clock


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a monotonic clock. Whoever waits under it gets what the others have left, and never more.

    >>> deadline = Deadline.after(5.0, now=lambda: 100.0)
    >>> deadline.at, deadline.remaining(), deadline.expired
    (105.0, 5.0, False)
    >>> Deadline(at=105.0, now=lambda: 107.0).remaining()
    0.0
    """

    at: float
    """Seconds of the clock; infinite for one that never comes."""
    now: Callable[[], float] = clock.now
    """The clock."""

    @classmethod
    def after(cls, seconds: float, now: Callable[[], float] = clock.now) -> Self:
        """Return the deadline that comes so many seconds from now."""
        return cls(now() + seconds, now)

    @classmethod
    def never(cls) -> Self:
        """Return a deadline that does not come."""
        return cls(math.inf)

    def remaining(self) -> float:
        """Return the seconds that are left, 0 once it has passed."""
        return max(0.0, self.at - self.now())

    @property
    def expired(self) -> bool:
        """Return whether it has passed."""
        return self.remaining() <= 0
