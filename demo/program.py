"""A Python program of ours as a process of its own that cannot outlive the demo."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stack.leashed import Leashed, Program

PROJECT = Path(__file__).resolve().parent.parent
LAST_LINES = 15
LOOK_SECONDS = 0.05


class Process(Protocol):
    """A running program, as its owner has it."""

    pid: int

    def is_alive(self) -> bool:
        """Tell whether it, or anything that it started, is still there."""

    def send(self, number: signal.Signals) -> None:
        """Send one signal to it; nothing happens when it has ended."""

    def send_all(self, number: signal.Signals) -> None:
        """Send one signal to it and all its descendants."""

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once nothing is left; 128 + n after signal n.

        Raises:
            TimeoutError: it is still there after ``timeout`` seconds.
        """


class OwnProgram:
    """``python -m <module> <arguments>``, its output in a log file.

    Args:
        name: for the board, the log file and messages.
        arguments: what follows ``python``.
        folder: for its log.
        environ: its variables, besides PATH and the like.
    """

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        kept = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
        self._program = Program(
            [sys.executable, *arguments],
            log=self.log,
            environ=kept
            | {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(folder)}
            | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
            | dict(environ),
            folder=PROJECT,
        )
        self._running: Process | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self._running.pid if self._running and self._running.is_alive() else None

    def start(self) -> None:
        """Start the program, on a leash; return before it is ready."""
        self._running = self._begin(self._program)

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._running is not None and self._running.is_alive()

    def run(self, timeout: float) -> None:
        """Run it to its end.

        Raises:
            ProgramError: it failed, or took longer than ``timeout`` seconds.
        """
        self.start()
        try:
            code = self.wait(timeout)
        except TimeoutError:
            self.kill()
            raise ProgramError(f"{self.name} took longer than {timeout:g} s. {self.last_words()}") from None
        if code:
            raise ProgramError(f"{self.name} ended with exit code {code}. {self.last_words()}")

    def wait(self, timeout: float) -> int:
        """Return the exit code once it has ended; 128 + n after signal n.

        Raises:
            TimeoutError: it still runs after ``timeout`` seconds.
        """
        return self._running.wait(timeout) if self._running else 0

    def await_word(self, timeout: float) -> None:
        """Return once it has written its first line.

        Raises:
            ProgramError: it ended before, or said nothing for ``timeout`` seconds.
        """
        until = time.monotonic() + timeout
        while not self.log.read_bytes().count(b"\n"):
            if not self.is_alive() or time.monotonic() > until:
                raise ProgramError(f"{self.name} did not get going. {self.last_words()}")
            time.sleep(LOOK_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended."""
        if self._running is not None:
            self._running.send(number)

    def stop(self, timeout: float) -> int:
        """Ask it to end (SIGTERM); kill it after ``timeout`` seconds; return its exit code."""
        if self._running is None:
            return 0
        self._running.send(signal.SIGTERM)
        try:
            return self._running.wait(timeout)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """Kill it (SIGKILL); return its exit code."""
        if self._running is None:
            return 0
        self._running.send_all(signal.SIGKILL)
        return self._running.wait()

    def _begin(self, program: Program) -> Process:
        """Start it as a shell would; a subclass may know of another way."""
        return Leashed(program)

    def last_words(self) -> str:
        """Return the end of its log, for a message."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        except OSError:
            lines = []
        return "\n".join(["Its log ends:", *lines])


class ProgramError(RuntimeError):
    """A program of ours failed; the text ends with the last lines of its log."""
