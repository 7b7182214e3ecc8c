"""What every part of the topology can do: start, become ready, stop, be killed or frozen, and start again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from stack.leashed import Leashed, Program
from stack.unavailable import NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Seconds between two looks at a part that is starting: parts start in 0.1 to 5 s.
LOOK_SECONDS = 0.05
LOG_LINES = 25
# Seconds that a part has to free what would outlast it.
FAREWELL_SECONDS = 3.0


class Part(ABC):
    """One process of the topology. Data and ports stay the same over any number of starts.

    A part knows how to prepare its folder, what to run and how to see that it answers; the rest is here.
    """

    name: ClassVar[str]
    graceful: ClassVar[signal.Signals] = signal.SIGTERM
    """What a clean stop is asked for with."""
    farewell: ClassVar[signal.Signals | None] = None
    """What is sent first when the owner has died."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self._running: Leashed | None = None

    @property
    @abstractmethod
    def ports(self) -> Mapping[str, int]:
        """TCP ports on loopback, by purpose."""

    @abstractmethod
    def fetch(self) -> None:
        """Bring what the part needs into the cache; raises Unavailable. Called again, it does nothing."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the part's folder ready for a start; on a folder that has data, keep it."""

    @abstractmethod
    def program(self) -> Program:
        """Say what to run."""

    @abstractmethod
    def answers(self) -> bool:
        """Ask the part once, briefly, whether it serves."""

    @property
    def pid(self) -> int | None:
        """Process id of the running program."""
        return self._running.pid if self._running and self.is_alive() else None

    def is_alive(self) -> bool:
        """Tell whether the process is there, be it ready, busy or frozen."""
        return self._running is not None and self._running.is_alive()

    def start(self) -> None:
        """Start the process unless it runs; return before it is ready."""
        if self.is_alive():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fetch()
        self.prepare()
        self._running = Leashed(self.program())

    def await_ready(self, timeout: float = 60.0) -> None:
        """Return once the part answers.

        Raises:
            NotReady: it ended, or did not answer within ``timeout`` seconds; the text shows its last log lines.

        """
        until = time.monotonic() + timeout
        while not self.answers():
            if not self.is_alive():
                raise NotReady(f"{self.name} ended while it was starting. {self._last_words()}")
            if time.monotonic() > until:
                raise NotReady(f"{self.name} did not answer within {timeout:g} s. {self._last_words()}")
            time.sleep(LOOK_SECONDS)

    def stop(self, timeout: float = 20.0) -> None:
        """Ask for a clean end; after ``timeout`` seconds kill it."""
        if self._running is None:
            return
        self._running.send_all(signal.SIGCONT)
        self._running.send(self.graceful)
        try:
            self._running.wait(timeout)
        except TimeoutError:
            self.kill()
        self._running = None

    def kill(self) -> None:
        """SIGKILL the process and all its descendants, and return when they are gone."""
        if self._running is not None:
            self._running.send(signal.SIGKILL)
            self._running.wait()
            self._running = None

    def abandon(self) -> None:
        """End it at once, its data being of no further use."""
        if self._running is not None and self.farewell is not None:
            self._running.send_all(signal.SIGCONT)
            self._running.send(self.farewell)
            with suppress(TimeoutError):
                self._running.wait(FAREWELL_SECONDS)
        self.kill()

    def pause(self) -> None:
        """Freeze the process and its descendants (SIGSTOP): alive, silent, its connections open."""
        if self._running is not None:
            self._running.send_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on (SIGCONT)."""
        if self._running is not None:
            self._running.send_all(signal.SIGCONT)

    def restart(self, timeout: float = 60.0) -> None:
        """Stop cleanly, start on the same data and ports, await."""
        self.stop()
        self.start()
        self.await_ready(timeout)

    def belongings(self) -> tuple[Path, ...]:
        """Name all folders that the part has or will make."""
        return (self.folder,)

    def erase(self) -> None:
        """Remove the part's data; it must have ended."""
        for folder in self.belongings():
            shutil.rmtree(folder, ignore_errors=True)

    def run_once(self, command: list[str], timeout: float = 60.0) -> None:
        """Run a helper of the part (a formatter, say) to its end, on a leash like the part itself.

        Raises:
            NotReady: it failed or took longer than ``timeout`` seconds.

        """
        plan = self.program()
        helper = Leashed(Program(command, plan.log, plan.environ, plan.folder, plan.account))
        try:
            code = helper.wait(timeout)
        except TimeoutError:
            helper.send(signal.SIGKILL)
            code = helper.wait()
        if code:
            raise NotReady(f"{self.name}: {command[0]} ended with exit code {code}. {self._last_words()}")

    def surroundings(self) -> dict[str, str]:
        """Return a small environment of its own, so that nothing in the caller's reaches into a part."""
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        # The interpreter of the leash may need the library path that the caller's needs.
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        return kept | {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": str(self.folder),
            "TMPDIR": str(scratch),
        }

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        except OSError:
            lines = []
        return "\n".join([f"Its log, {self.log}, ends:", *lines])
