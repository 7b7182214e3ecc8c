"""A queue to the verifier, of crucibles whose live state the API finds missing or not compared yet."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from watcher.model.errors import WatcherError

log = structlog.get_logger(__name__)

THREADS: Final = 2
"""Crucibles that are verified at a time. Votes on the others wait, answering 503 meanwhile."""
REPEAT_SECONDS: Final = 0.5
"""Seconds after which a crucible is verified again, when somebody still says that it is missing."""


class VerificationQueue:
    """Hands crucibles to the verifier, each once at a time.

    Args:
        verify: compares a crucible's state with its sources and brings it back; blocks.
        clock: monotonic seconds.
    """

    def __init__(self, verify: Callable[[int], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._verify, self._clock = verify, clock
        self._threads = ThreadPoolExecutor(THREADS, "verifier")
        self._lock = threading.Lock()
        self._not_before: dict[int, float] = {}
        """By crucible: when it may be verified again; for ever while it waits or is at work."""

    def put(self, crucible_id: int) -> None:
        """Have a crucible verified, unless it waits for that already; return at once."""
        now = self._clock()
        with self._lock:
            if self._not_before.get(crucible_id, now) > now:
                return
            self._not_before = {one: until for one, until in self._not_before.items() if until > now}
            self._not_before[crucible_id] = float("inf")
        try:
            self._threads.submit(self._run, crucible_id)
        except RuntimeError:  # we are stopping
            return

    def close(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, crucible_id: int) -> None:
        try:
            self._verify(crucible_id)
        except WatcherError as error:
            log.warning("crucible.unverified", crucible=crucible_id, error=str(error))
        except Exception:
            log.exception("crucible.unverified", crucible=crucible_id)
        finally:
            with self._lock:
                self._not_before[crucible_id] = self._clock() + REPEAT_SECONDS
