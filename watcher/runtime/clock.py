"""Seconds that only go forward, and go on while the machine sleeps: a lease must not outlive a suspended laptop."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return the seconds since some fixed point."""
    return time.clock_gettime(_CLOCK)
