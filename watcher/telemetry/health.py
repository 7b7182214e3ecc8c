"""What the probes answer; liveness looks at loops alone, so that an outage next door does not restart the fleet."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from watcher.model.errors import RefusedError, StopError
from watcher.telemetry.redaction import describe

FRESH_SECONDS: Final = 2.0
"""How long a look's answer stands. Shorter: probes load the neighbours. Longer: one that is gone is told of later."""
DEADLINE_SECONDS: Final = 0.7
"""How long a probe waits for looks that are under way, for all of them together: orchestrators wait for one second.
Longer: they do not hear the answer. Shorter: a slow network looks like an outage."""

Ping = Callable[[], object]
"""Returns when the neighbour answers, with a detail or None; raises when it does not. Must have its own timeout."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check found: good or not, and whether the probe fails with it."""

    name: str
    ok: bool
    critical: bool
    detail: str
    age_seconds: float | None = None
    """How long ago the neighbour was looked at; None: it has not answered yet, or this is no neighbour."""
    refused: bool = False
    """Whether it is there and refuses what is asked of it, so that waiting does not help."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A probe's answer: good when every critical check is."""

    checks: tuple[Checked, ...]

    @property
    def ok(self) -> bool:
        """Return whether the probe passes."""
        return all(check.ok for check in self.checks if check.critical)


class _Look:
    """A ping in a thread of its own, so that one that hangs holds up nobody; its answer stands for a while."""

    def __init__(self, name: str, ping: Ping, critical: bool, clock: Callable[[], float]) -> None:
        self._name, self._ping, self._critical, self._clock = name, ping, critical, clock
        self._lock = threading.Lock()
        self._wanted, self._idle = threading.Semaphore(0), threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._answer: Checked | None = None
        self._began = self._answered = float("-inf")

    def begin(self) -> None:
        """Have the neighbour looked at, unless that was done just now or is under way; return at once."""
        with self._lock:
            if not self._idle.is_set() or self._clock() - self._answered < FRESH_SECONDS:
                return
            self._idle.clear()
            self._began = self._clock()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name=f"look-{self._name}", daemon=True)
                self._thread.start()
            self._wanted.release()

    def await_answer(self, seconds: float, patience: float) -> None:
        """Wait for a look that is under way, unless it has lasted for longer than the patience already."""
        if self._clock() - self._began < patience:
            self._idle.wait(seconds)

    def answer(self) -> Checked:
        """Return what is known now; a look that has not come back counts as bad, whatever was seen before."""
        with self._lock:
            now, before = self._clock(), self._answer
            age = None if before is None else round(now - self._answered, 1)
            if before is not None and self._idle.is_set():
                return Checked(self._name, before.ok, self._critical, before.detail, age, before.refused)
            detail = f"no answer for {now - self._began:.1f} s"
            if before is not None:
                detail += f"; {age:g} s ago: {before.detail or ('ok' if before.ok else 'no')}"
            return Checked(self._name, ok=False, critical=self._critical, detail=detail, age_seconds=age)

    def _look(self) -> None:
        while True:
            self._wanted.acquire()
            answer = self._ask()
            with self._lock:
                self._answer, self._answered = answer, self._clock()
                self._idle.set()

    def _ask(self) -> Checked:
        try:
            detail = self._ping()
        except Exception as error:  # noqa: BLE001 - a ping fails in its client's own way, and that is the answer
            refused = isinstance(error, RefusedError | StopError)
            return Checked(self._name, ok=False, critical=self._critical, detail=describe(error), refused=refused)
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
        self._starting: str | None = "the process is starting"
        self._looks: list[_Look] = []

    def turned(self, loop: str = "loop") -> None:
        """Note that a loop went round once, paused or not.

        Args:
            loop: which, in a process that has several; it is watched from its first turn on.
        """
        self._turned_at[loop] = self._clock()

    def standing_seconds(self) -> float:
        """Return how long ago the loop turned; of several, the one that stands longest."""
        return self._clock() - min(list(self._turned_at.values()))

    def awaits(self, neighbour: str, error: Exception) -> None:
        """Note that the process cannot start before a neighbour answers otherwise; until then it is not ready."""
        if self._starting is not None:
            self._starting = f"waits for {neighbour}: {describe(error)}"

    def started(self) -> None:
        """Note that all that the process needs to begin is there; from now on neighbours decide whether it is ready."""
        self._starting = None

    def stopping(self) -> None:
        """Note that the shutdown has begun: the process is alive, and not ready any more."""
        self._stopping = True

    def check(self, name: str, ping: Ping, *, critical: bool = True) -> None:
        """Add a neighbour to ``/readyz``.

        Args:
            name: the neighbour, and in a process of several roles before it whose it is.
            ping: asks it, at most every two seconds.
            critical: whether the probe fails with it; otherwise its fault is only shown.
        """
        self._looks.append(_Look(name, ping, critical, self._clock))

    def alive(self) -> HealthReport:
        """Return whether every loop turned within its deadline."""
        now = self._clock()
        return HealthReport(tuple(self._loop(name, now - at) for name, at in list(self._turned_at.items())))

    def _loop(self, name: str, age: float) -> Checked:
        detail = f"last turn {age:.1f} s ago, {self._deadline:g} s are allowed"
        return Checked(name, ok=age <= self._deadline, critical=True, detail=detail)

    def ready(self) -> HealthReport:
        """Return whether the process has started, its loops turn, and every critical neighbour answers."""
        if self._stopping:
            return HealthReport((Checked("shutdown", ok=False, critical=True, detail="the process is stopping"),))
        waits = self._starting
        starting = () if waits is None else (Checked("start", ok=False, critical=True, detail=waits),)
        return HealthReport((*self.alive().checks, *starting, *self.neighbours()))

    def neighbours(self, patience: float = DEADLINE_SECONDS) -> tuple[Checked, ...]:
        """Return how each neighbour is, once all have answered or some seconds have passed."""
        looks = list(self._looks)
        for look in looks:  # all first: they are waited for side by side
            look.begin()
        until = time.monotonic() + patience
        for look in looks:
            look.await_answer(max(0.0, until - time.monotonic()), patience)
        return tuple(look.answer() for look in looks)
