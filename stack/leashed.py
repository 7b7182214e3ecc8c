"""The owner's side of a leash: a program that cannot outlive us, with its signals."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stack import family

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence

LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, slots=True)
class SystemUser:
    """Numeric user and group that a program runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and what is to happen to it when the owner is gone."""

    command: Sequence[str]
    log: Path
    """Standard output and error are appended here."""
    environ: Mapping[str, str]
    """The whole environment; nothing is inherited."""
    folder: Path
    """Working folder."""
    account: SystemUser | None = None
    """None keeps the owner's."""
    farewell: signal.Signals | None = None
    """Sent first when the owner died; the sweep follows within seconds. None: straight SIGKILL."""


class Leashed:
    """A running program on a leash. The leash ends when the program and all its descendants have ended."""

    def __init__(self, program: Program) -> None:
        watched, self._held = os.pipe()
        told, report = os.pipe()
        account = program.account
        options = [
            *(("--uid", str(account.uid), "--gid", str(account.gid)) if account else ()),
            *(("--farewell", str(int(program.farewell))) if program.farewell else ()),
        ]
        leash = [sys.executable, "-I", "-S", str(LEASH), "--owner", str(os.getpid())]
        try:
            with program.log.open("ab") as log:
                self._leash = subprocess.Popen(
                    [*leash, "--watch", str(watched), "--report", str(report), *options, "--", *program.command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(program.environ),
                    cwd=program.folder,
                    pass_fds=(watched, report),
                    start_new_session=True,  # a Ctrl-C is the owner's to handle, part by part
                )
        except BaseException:
            os.close(self._held)
            os.close(told)
            raise
        finally:
            os.close(watched)
            os.close(report)
        with os.fdopen(told, "rb") as answer:
            self.pid = int(answer.readline() or b"0")
            """Process id of the program itself, 0 when it could not be started (the log says why)."""

    def is_alive(self) -> bool:
        """Tell whether the program, or anything that it started, is still there."""
        return self._leash.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send one signal to the program; nothing happens when it has ended."""
        if self.pid and self.is_alive():
            _send(self.pid, number)

    def send_all(self, number: signal.Signals) -> None:
        """Send one signal to the program and all its descendants, parents first."""
        if self.pid and self.is_alive():
            for pid in (self.pid, *family.descendants(self.pid)):
                _send(pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once nothing is left; 128 + n after signal n.

        Raises:
            TimeoutError: it is still there after ``timeout`` seconds.

        """
        try:
            code = self._leash.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s") from None
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        return code


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
