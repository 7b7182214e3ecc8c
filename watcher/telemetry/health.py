"""What the probes answer. Liveness looks at the loop alone: an outage next door must not restart the whole fleet."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from watcher.telemetry.redaction import describe

CACHED: Final = 5.0
"""Seconds for which a ping's answer stands. Smaller: probes load the neighbours. Larger: readiness lags."""
GLANCE: Final = 0.2
"""Seconds that a probe gives a check that does not count; it is asked beside it. Orchestrators wait for one."""

Ping = Callable[[], object]
"""Returns when the neighbour answers, with a detail or None; raises when it does not. Must have its own timeout."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check found: good or not, and whether the probe hangs on it."""

    name: str
    ok: bool
    critical: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """A probe's answer: good when every critical check is."""

    checks: tuple[Checked, ...]

    @property
    def ok(self) -> bool:
        """Whether the probe passes."""
        return all(check.ok for check in self.checks if check.critical)


class _Cached:
    """A ping whose answer stands for a while. While one caller pings, others get the answer before.

    One that is not critical never holds up a probe: it is asked in a thread of its own.
    """

    def __init__(self, name: str, ping: Ping, critical: bool, clock: Callable[[], float]) -> None:
        self._name, self._ping, self._critical, self._clock = name, ping, critical, clock
        self._lock = threading.Lock()
        self._answer: Checked | None = None
        self._asked_at = float("-inf")

    def answer(self) -> Checked:
        if self._critical:
            self._look(wait=self._answer is None)
        elif self._due() and not self._lock.locked():
            looking = threading.Thread(target=self._look, name=f"ping-{self._name}", daemon=True)
            looking.start()
            looking.join(GLANCE)
        return self._answer or Checked(self._name, ok=False, critical=self._critical, detail="no answer yet")

    def _look(self, *, wait: bool = False) -> None:
        if self._lock.acquire(blocking=wait):
            try:
                if self._due():
                    self._answer = self._ask()
                    self._asked_at = self._clock()
            finally:
                self._lock.release()

    def _due(self) -> bool:
        return self._answer is None or self._clock() - self._asked_at >= CACHED

    def _ask(self) -> Checked:
        try:
            detail = self._ping()
        except Exception as error:  # noqa: BLE001 - a ping fails in its client's own way, and that is the answer
            return Checked(self._name, ok=False, critical=self._critical, detail=describe(error))
        return Checked(self._name, ok=True, critical=self._critical, detail="" if detail is None else str(detail))


class Health:
    """The state behind ``/livez`` and ``/readyz``; the loop and the probes' threads share it.

    Args:
        loop_deadline: seconds without a turn of the loop until the process counts as dead.
        clock: monotonic seconds.
    """

    def __init__(self, loop_deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline, self._clock = loop_deadline, clock
        self._turned_at = {"loop": clock()}
        self._stopping = False
        self._checks: list[_Cached] = []

    def turned(self, loop: str = "loop") -> None:
        """A loop went round once, paused or not.

        Args:
            loop: which, in a process that has several; it is watched from its first turn on.
        """
        self._turned_at[loop] = self._clock()

    def stopping(self) -> None:
        """Shutdown has begun: alive, but no longer ready."""
        self._stopping = True

    def check(self, name: str, ping: Ping, *, critical: bool = True) -> None:
        """Add a neighbour to ``/readyz``.

        Args:
            name: the neighbour.
            ping: asks it, at most every five seconds.
            critical: whether the probe fails with it; otherwise its fault is only shown.
        """
        self._checks.append(_Cached(name, ping, critical, self._clock))

    def alive(self) -> Report:
        """Whether every loop turned within its deadline."""
        now = self._clock()
        return Report(tuple(self._loop(name, now - at) for name, at in list(self._turned_at.items())))

    def _loop(self, name: str, age: float) -> Checked:
        detail = f"last turn {age:.1f} s ago, {self._deadline:g} s are allowed"
        return Checked(name, ok=age <= self._deadline, critical=True, detail=detail)

    def ready(self) -> Report:
        """Whether the loop turns and every critical neighbour answers."""
        if self._stopping:
            return Report((Checked("shutdown", ok=False, critical=True, detail="the process is stopping"),))
        return Report((*self.alive().checks, *(check.answer() for check in self._checks)))
