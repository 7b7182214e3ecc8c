"""The thread that has crucibles kept: at the start, every so often, and when somebody missed one."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from watcher.model.errors import TemporaryError

log = structlog.get_logger(__name__)

RETRY = 1.0
"""Seconds until a round that failed is made again."""


class Rounds(Protocol):
    """Compares crucibles that need it."""

    def keep(self, crucible_ids: Collection[int], stopping: Callable[[], bool]) -> None:
        """Compare those of them that are not verified, until told to stop."""
        ...


class VerifierThread:
    """Makes the rounds.

    Args:
        rounds: what it does.
        active: ids of the crucibles that take votes.
        looked: told, after each round over all of them, which those are.
        interval: seconds between two rounds over all of them.
        failed: told of an error that does not go away by itself; the thread has ended then.
    """

    def __init__(
        self,
        rounds: Rounds,
        active: Callable[[], Collection[int]],
        looked: Callable[[Collection[int]], None],
        interval: float,
        failed: Callable[[Exception], None],
    ) -> None:
        self._rounds, self._active, self._looked = rounds, active, looked
        self._interval, self._failed = interval, failed
        self._missed: set[int] = set()
        self._due = 0.0
        self._lock = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="verifier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def missed(self, crucible_ids: Collection[int]) -> None:
        """Redis does not hold these; returns at once."""
        with self._lock:
            self._missed.update(crucible_ids)
        self._wake.set()

    def close(self, timeout: float) -> None:
        """End the thread; a crucible that it has closed is opened by the next one who is asked to."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._round(whole=time.monotonic() >= self._due)
            except TemporaryError as error:
                log.warning("verifier.waiting", error=str(error))
                self._stop.wait(RETRY)
                continue
            except Exception as error:  # noqa: BLE001 - handed on; whoever started us decides
                self._failed(error)
                return
            self._wake.wait(max(0.0, self._due - time.monotonic()))

    def _round(self, *, whole: bool) -> None:
        with self._lock:
            missed, self._missed = self._missed, set()
        active: Collection[int] = ()
        try:
            if whole:
                active = self._active()
                self._due = time.monotonic() + self._interval
            self._rounds.keep(sorted(missed.union(active)), self._stop.is_set)
        except TemporaryError:
            with self._lock:
                self._missed |= missed.union(active)
            raise
        finally:
            if active:  # also when one of them could not be compared: the others' votes are counted all the same
                self._looked(active)
