"""Keeps a fault that lasts from filling the log: its first line at once, then one an interval with the count."""

from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

QUIET: Final = frozenset({"debug", "info"})
"""Levels that are never held back: their lines are one a batch by design."""
TELLS_APART: Final = (
    "neighbour", "link", "topic", "partition", "table", "sink", "kind", "reason", "check", "crucible", "bucket", "line",
    "connector",
)  # fmt: skip
"""Keys that make two lines of one event different faults."""
REMEMBERED_FAULTS: Final = 1_000
"""Faults told apart at a time; beyond it the oldest is forgotten, and is then written once too often."""


class Repeats:
    """A structlog processor that drops repeats of warnings and errors.

    Args:
        interval: seconds for which a repeated line is held back.
        clock: monotonic seconds.
    """

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval, self._clock = interval, clock
        self._seen: dict[tuple[str, ...], tuple[float, int]] = {}

    def __call__(self, _: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the line, with ``repeated`` added when some were held back before it.

        Raises:
            structlog.DropEvent: the line repeats one of less than ``interval`` seconds ago.
        """
        if method in QUIET:
            return event
        fault = (method, str(event.get("event")), *(str(event.get(key)) for key in TELLS_APART))
        now = self._clock()
        written, held = self._seen.get(fault, (float("-inf"), 0))
        if now - written < self._interval:
            self._seen[fault] = (written, held + 1)
            raise structlog.DropEvent
        self._seen.pop(fault, None)
        while len(self._seen) >= REMEMBERED_FAULTS:
            del self._seen[next(iter(self._seen))]
        self._seen[fault] = (now, 0)
        if held:
            event["repeated"] = held
        return event
