"""Where the API says that a crucible's live state is missing or was not compared yet, and it is seen to."""

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
AGAIN_SECONDS: Final = 0.5
"""Time after which a crucible is seen to again, when somebody still says that it is missing."""


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
        self._under_way: dict[int, float] = {}

    def wanted(self, crucible_id: int) -> None:
        """Somebody wants this crucible; returns at once."""
        now = self._clock()
        with self._lock:
            if self._under_way.get(crucible_id, now) > now:
                return
            self._under_way = {one: until for one, until in self._under_way.items() if until > now}
            self._under_way[crucible_id] = float("inf")
        try:
            self._threads.submit(self._see_to, crucible_id)
        except RuntimeError:  # we are stopping
            return

    def close(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _see_to(self, crucible_id: int) -> None:
        try:
            self._verify(crucible_id)
        except WatcherError as error:
            log.warning("crucible.unverified", crucible=crucible_id, error=str(error))
        except Exception:
            log.exception("crucible.unverified", crucible=crucible_id)
        finally:
            with self._lock:
                self._under_way[crucible_id] = self._clock() + AGAIN_SECONDS
