"""Run one program for as long as its owner lives, then leave nothing of it.

A script of its own, started with ``python -I -S``: it sits between a stack's owner and one part. It watches a pipe
that the owner holds open and the owner's process itself, so that an owner that is killed without warning takes its
parts along. A pipe alone would be held open by a forked child of the owner; the parent-death signal alone is tied to
a thread and lost when the program changes its user.

Linux does the whole job (subreaper, pidfd); elsewhere the part's process group is killed.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False  # importing it would cost as much time as all else here
if TYPE_CHECKING:
    from typing import Any, Protocol

    class ChildProcess(Protocol):
        """A child process, as ``subprocess.Popen`` has it."""

        pid: int
        returncode: Any

        def poll(self) -> int | None:
            """Return its exit code, None while it runs."""
            ...

        def wait(self) -> int:
            """Return its exit code, once it has ended."""
            ...

        def send_signal(self, sig: int, /) -> None:
            """Send the program a signal, unless it has ended."""
            ...


PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform == "linux"
# Seconds between looks where there is no pidfd to wait on.
LOOK_SECONDS = 0.1


def main() -> int:
    """Start the program, wait for its end or the owner's, sweep up; return what the program returned."""
    given = _arguments()
    inherit()
    account = {} if given.uid is None else {"user": given.uid, "group": given.gid, "extra_groups": []}
    program = subprocess.Popen(
        given.command,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  # one thread here, and it must come after the change of user
        stdin=subprocess.DEVNULL,
        **account,
    )
    os.write(given.report, b"%d\n" % program.pid)
    os.close(given.report)
    return hold(program, given.owner, given.watch, given.farewell)


def inherit() -> None:
    """Become the parent of whatever the program will leave behind, and outlive the owner's Ctrl-C."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def hold(program: ChildProcess, owner: int, watch: int, farewell: int | None = None) -> int:
    """Wait for the program's end or the owner's, sweep up; return what the program returned, 128 + n after signal n."""
    try:
        if not _outlived_by_owner(program, owner, watch) and farewell:
            _say_farewell(program, farewell)
    finally:
        _sweep(program)
    code: int = program.returncode
    return code if code >= 0 else 128 - code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--owner", type=int, required=True)
    parser.add_argument("--watch", type=int, required=True)
    parser.add_argument("--report", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--farewell", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    given.command = given.command[1:]  # the `--` before it
    return given


def die_with_parent() -> None:
    """Should the leash itself be killed, the kernel kills the program."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _outlived_by_owner(program: ChildProcess, owner: int, watch: int) -> bool:
    """Wait; True when the program ended first."""
    poller = select.poll()
    poller.register(watch, select.POLLIN | select.POLLHUP)
    patience: float | None = LOOK_SECONDS * 1000
    if hasattr(os, "pidfd_open"):
        try:
            poller.register(os.pidfd_open(program.pid), select.POLLIN)
            poller.register(os.pidfd_open(owner), select.POLLIN)
            patience = None
        except ProcessLookupError:  # the owner is gone already
            return False
        except OSError:  # a kernel or sandbox without pidfd
            pass
    while True:
        ready = [handle for handle, _ in poller.poll(patience)]
        if program.poll() is not None:
            return True
        if ready or os.getppid() != owner:
            return False


def _say_farewell(program: ChildProcess, number: int) -> None:
    """Let the program free what would outlast it (Postgres: shared memory); three seconds, then it is swept up."""
    program.send_signal(signal.SIGCONT)
    program.send_signal(number)
    until = time.monotonic() + 3
    while program.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


def _sweep(program: ChildProcess) -> None:
    """Kill every descendant: as a subreaper the leash inherits those whose parent died before them."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()  # before the loop, which would take its exit code away
    while LINUX:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)  # ours and not yet waited for: the number cannot be another's
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # ended meanwhile
                stat = (entry / "stat").read_bytes()
                if int(stat.rpartition(b")")[2].split()[1]) == os.getpid():
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit(main())
