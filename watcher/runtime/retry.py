"""Does something again that failed because a neighbour is away; how often, and after which waits, is a value."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from watcher.model.errors import TemporaryError, UnfitError

T = TypeVar("T")

SPREAD_SHARE = 0.25
"""Part of a wait that chance may take away. Smaller: processes that lost the same neighbour come back to it together;
larger: waits are hardly those that were asked for."""


def spread(seconds: float) -> float:
    """Return a wait that is up to a quarter shorter, so that many processes do not ask all at once."""
    return seconds * (1 - SPREAD_SHARE * random.random())  # noqa: S311 - nobody gains by knowing it


def exactly(seconds: float) -> float:
    """Return the wait as it is."""
    return seconds


def never(_attempts: int, _error: TemporaryError) -> bool:
    """Return False: it is tried for as long as it takes."""
    return False


def unfit(_attempts: int, error: TemporaryError) -> bool:
    """Return whether a start ends with this error; a process that runs waits for as long as it takes."""
    return isinstance(error, UnfitError)


@dataclass(frozen=True, slots=True)
class Retry:
    """A policy: how long to wait after each failure in a row, and when to give up.

    >>> policy = Retry(0.2, 1.0, jitter=exactly)
    >>> [policy.wait_seconds(attempts) for attempts in (1, 2, 3, 4, 5)]
    [0.2, 0.4, 0.8, 1.0, 1.0]
    """

    first_seconds: float
    """Wait after the first failure. Shorter: the neighbour is hammered; longer: a hiccup costs more than it must."""
    longest_seconds: float
    """The longest wait. Longer: it is noticed later that the neighbour is back."""
    factor: float = 2.0
    """How much longer each wait is than the one before."""
    jitter: Callable[[float], float] = spread
    """Returns the wait that is used instead of the one that was computed; never a longer one."""
    give_up: Callable[[int, TemporaryError], bool] = never
    """Returns whether to give up, given the attempts that failed so far and the last one's error."""

    def wait_seconds(self, attempts: int) -> float:
        """Return the seconds to wait after so many failures in a row, one or more."""
        # The exponent is bounded because a power too large for a float is an error, after weeks of an absence.
        wait = self.first_seconds * self.factor ** min(attempts - 1, 64)
        return self.jitter(min(wait, self.longest_seconds))


def retry(
    action: Callable[[], T],
    policy: Retry,
    pause: Callable[[float], bool],
    observer: Callable[[TemporaryError], None],
) -> T:
    """Run an action until it goes through.

    Args:
        action: raises ``TemporaryError`` when it may go through later.
        policy: how long to wait, and when to give up.
        pause: waits so many seconds and does meanwhile whatever must not stop; returns True to have no further attempt,
            usually because the process ends. A worker's ``signal.pause`` is one.
        observer: told of each failure, before the wait.

    Returns:
        What the action returns.

    Raises:
        TemporaryError: the action's last error, because the policy gave up or the pause ended it.
        Exception: whatever else the action raises, at once.
    """
    attempts = 0
    while True:
        try:
            return action()
        except TemporaryError as error:
            attempts += 1
            observer(error)
            if policy.give_up(attempts, error) or pause(policy.wait_seconds(attempts)):
                raise
