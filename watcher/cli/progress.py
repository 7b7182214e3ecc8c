"""How far a long run is, and how long it may still take: a line now and then."""

import time
from collections.abc import Callable
from typing import Final

from watcher.cli.output import note

SAID_EVERY_SECONDS: Final = 5.0
"""Seconds between two lines. Shorter: they hide what else is said; longer: nobody knows whether it goes on."""
SHORT_SECONDS: Final = 120
"""Time left that is told in seconds; up to sixty times as much in minutes."""


class ProgressLine:
    """Says how far something is.

    Args:
        say: takes a line.
        now: tells the time, in seconds.
    """

    def __init__(self, say: Callable[[str], None] = note, now: Callable[[], float] = time.monotonic) -> None:
        self._say, self._now, self._said_at = say, now, now()
        self._first: dict[str, tuple[float, int]] = {}

    def heard(self, what: str, done: int, whole: int | None, line: str) -> None:
        """Say a line if it is time for one, with how long it may take by the speed since this was first called.

        What was done before that first call, by a run that this one goes on with, say, took no time of this one.

        Args:
            what: is done; each has a speed of its own.
            done: how much of it.
            whole: of how much; None: nobody knows.
            line: says the same in words.
        """
        now = self._now()
        began, before = self._first.setdefault(what, (now, done))
        if now - self._said_at < SAID_EVERY_SECONDS:
            return
        self._said_at = now
        left = ""
        if whole is not None and done > before:
            left = f", about {told_time((now - began) / (done - before) * (whole - done))} to go"
        self._say(f"{line}{left}")


def told_time(seconds: float) -> str:
    """Return how long something takes, as people say it.

    >>> told_time(119.4), told_time(125), told_time(7_300), told_time(90_000)
    ('119 s', '2 min', '2 h', '25 h')
    """
    if seconds < SHORT_SECONDS:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < SHORT_SECONDS else f"{minutes / 60:.0f} h"
