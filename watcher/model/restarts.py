"""When a connector's failed tasks are started once more: soon, then after growing waits, and not without end."""

from collections.abc import Sequence
from typing import Final

WINDOW_SECONDS: Final = 3_600.0
"""Seconds within which restarts are counted. Shorter: a task that cannot run is started for ever; longer: one that
fails twice a day waits for a person."""
MAX_RESTARTS: Final = 6
"""Restarts within the window. More: a fault that has to be mended is told of later; fewer: an outage of a quarter of an
hour is for a person to end."""
FIRST_WAIT_SECONDS: Final = 15.0
"""Seconds from when a failure was seen to the first restart; each wait after it is twice as long. Shorter: it fails
again for the same passing reason; longer: streams stand still for longer than they must."""


def restart_due_in(failed_seconds: float, restarts: Sequence[float]) -> float | None:
    """Return the seconds until what has failed is to be started once more, 0 or less for now; None: it is given up.

    It is given up until the window has fewer restarts, so that what a long outage has ended begins again by itself.

    Args:
        failed_seconds: since the failure was first seen.
        restarts: ages in seconds of the restarts that were asked for.

    >>> restart_due_in(0.0, []), restart_due_in(20.0, []), restart_due_in(40.0, [25.0])
    (15.0, -5.0, 5.0)
    >>> restart_due_in(900.0, [60.0 * n for n in range(6)]) is None
    True
    """
    recent = [age for age in restarts if age < WINDOW_SECONDS]
    if len(recent) >= MAX_RESTARTS:
        return None
    return FIRST_WAIT_SECONDS * 2.0 ** len(recent) - min([failed_seconds, *recent])
