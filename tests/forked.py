"""Programs of the suite, forked from a process that has imported what they need.

Importing costs a program 0.6 s of a processor, and the suite starts hundreds. A program here is a process of its own on
a leash of its own, as :class:`stack.leashed.Leashed` has it, and differs in one thing: its modules were imported
before it began. The demo's tests start theirs as a shell would, and so does what is about imports.
"""

import atexit
import importlib
import importlib.util
import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from stack import family, leash

IMPORTED = (
    *("watcher.cli.run", "watcher.bootstrap.all_roles", "tests.acceptance.weakened", "tests.votes.process"),
    *("watcher.cli.connector", "watcher.admin.connector.apply", "watcher.admin.connector.rest"),
    *("watcher.cli.migrate", "watcher.migrations.clickhouse.migrate", "watcher.migrations.clickhouse.client"),
    *("watcher.cli.offsets", "watcher.admin.offsets", "watcher.kafka.admin"),
    *("watcher.cli.rebuild", "watcher.recovery.rebuild_all", "watcher.cli.dlq", "watcher.admin.dead_letters"),
    *("tests.settlement.endings", "watcher.cli.settle", "tests.entries.deciding"),
    # ClickHouse's client imports it at its first insert where it is installed, as it is here for the engine's sake.
    *(name for name in ("pandas",) if importlib.util.find_spec(name)),
)
"""What programs are forked with."""
READING = ("watcher.runtime.failpoint",)
"""Modules that read their environment when they are imported: imported anew by each program."""

SERVER = multiprocessing.get_context("forkserver")
"""Forks from the process that has imported them."""
SERVER.set_forkserver_preload(list(IMPORTED))


class Forked:
    """A running program; the same to its owner as a :class:`stack.leashed.Leashed` one.

    Args:
        module: what would follow ``python -m``.
        log: standard output is appended here, and standard error too.
        environ: its whole environment.
        folder: working folder.
        errors: where standard error goes instead.
    """

    def __init__(
        self,
        module: Sequence[str],
        log: Path,
        environ: Mapping[str, str],
        folder: Path,
        errors: Path | None = None,
    ) -> None:
        watched, self._held = SERVER.Pipe(duplex=False)
        told, report = SERVER.Pipe(duplex=False)
        with watched, report, told:
            arguments = (watched, report, module, (log, errors or log), dict(environ), folder)
            self._leash = SERVER.Process(target=_leash, args=arguments, daemon=True)
            self._leash.start()
            report.close()
            self.pid = int(told.recv())

    def is_alive(self) -> bool:
        """Tell whether the program, or anything that it started, is still there."""
        return self._leash.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Send one signal to the program; nothing happens when it has ended."""
        if self.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def send_all(self, number: signal.Signals) -> None:
        """Send one signal to the program and all its descendants, parents first."""
        if self.is_alive():
            for pid in (self.pid, *family.descendants(self.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once nothing is left; 128 + n after signal n.

        Raises:
            TimeoutError: it is still there after ``timeout`` seconds.
        """
        self._leash.join(timeout)
        code = self._leash.exitcode
        if code is None:
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        self._held.close()
        return code


def _leash(
    watched: Connection,
    report: Connection,
    module: Sequence[str],
    logs: Sequence[Path],
    environ: Mapping[str, str],
    folder: Path,
) -> NoReturn:
    """Be the program's leash."""
    missing = [name for name in IMPORTED if name not in sys.modules]
    if missing:
        raise ImportError(f"{missing} could not be imported: try it with python -c")
    os.setsid()
    for number, log in enumerate(logs, 1):
        with log.open("ab") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    leash.inherit()
    program = _Child(module)
    report.send(program.pid)
    report.close()
    sys.exit(leash.hold(program, os.getppid(), watched.fileno()))


class _Child:
    """The program, as its leash has it: the part of ``subprocess.Popen`` that a leash needs."""

    def __init__(self, module: Sequence[str]) -> None:
        self.returncode: int | None = None
        # One that comes before the program has its own ways with signals waits; the leash's would lose it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        self.pid = os.fork()
        if not self.pid:
            _run(*module)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def poll(self) -> int | None:
        return self._ended(os.WNOHANG)

    def wait(self) -> int:
        code = self._ended(0)
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def _ended(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _run(module: str, *arguments: str) -> NoReturn:
    """Be the program, from its first line to what an interpreter does at its end."""
    os.setsid()
    leash.die_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    sys.argv[1:] = arguments
    code: object = 0
    try:
        for name in READING:
            importlib.reload(sys.modules[name])
        sys.modules.pop(module, None)  # or it would be there twice
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - an interpreter prints it too
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code or 0)
