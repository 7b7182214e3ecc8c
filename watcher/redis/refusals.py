"""What Redis refuses though it is there: for want of a right, of memory, of a disk, or because it is no primary."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "noperm": ("NOPERM", "can't run this command", "No permissions", "no permissions"),
    "oom": ("OOM",),
    "readonly": ("READONLY",),
    "misconf": ("MISCONF",),
    "noreplicas": ("NOREPLICAS",),
    "unknown": ("unknown command", "Unknown Redis command"),
}
"""By reason, what an error has in it; inside a script older servers quote it, with other words around."""
SAID_SECONDS: Final = 60.0
"""Seconds of calm after which a reason is written to the log anew. Shorter: one fault is many lines."""


def refusal(error: str) -> str | None:
    """Return the reason for which Redis refused something; None of any other error.

    >>> refusal("OOM command not allowed when used memory > 'maxmemory'.")
    'oom'
    >>> refusal("ERR Error running script: @user_script:9: The user executing the script can't run this command")
    'noperm'
    >>> refusal("NOSCRIPT No matching script. Please use EVAL.") is None
    True
    """
    return next((reason for reason, words in REASONS.items() if any(word in error for word in words)), None)


class Refusals:
    """Counts what is refused, and writes the first of its kind to the log.

    Args:
        counter: by ``reason``.
        clock: monotonic seconds.
    """

    def __init__(self, counter: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter, self._clock = counter, clock
        self._last: dict[str, float] = {}

    def note(self, error: str) -> None:
        """Count an error that Redis answered, if it is a refusal."""
        reason = refusal(error)
        if reason is None:
            return
        self._counter.labels(reason).inc()
        now = self._clock()
        if now - self._last.get(reason, float("-inf")) > SAID_SECONDS:
            log.error("redis.refuses", reason=reason, error=error)
        self._last[reason] = now
