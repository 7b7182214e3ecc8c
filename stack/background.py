"""A keeper seen from outside: start it, ask it, end it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from stack.cache import PROJECT
from stack.keeper import LOCK, LOG, STATE
from stack.topology import LEAVING, Options, Stack
from stack.unavailable import NotReady

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

# Seconds between two looks at a keeper.
LOOK_SECONDS = 0.1
# Seconds for a keeper to stop its parts: each gets 20 s before it is killed.
PATIENCE_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class State:
    """What a keeper says about its stack."""

    parts: list[dict[str, Any]]
    environ: dict[str, str]


def state(folder: Path) -> State | None:
    """Return the state of the running stack, None when there is none or it is not ready yet."""
    if keeper_pid(folder) is None:
        return None
    try:
        return State(**json.loads((folder / STATE).read_text()))
    except FileNotFoundError:
        return None


def keeper_pid(folder: Path) -> int | None:
    """Return the keeper's process id; a lock that nobody holds means that there is none, whatever the file says."""
    lock = folder / LOCK
    if not lock.exists():
        return None
    try:
        with FileLock(lock, blocking=False):
            return None
    except Timeout:
        return int(lock.read_text() or 0)


def up(folder: Path, parts: Sequence[str], told: Callable[[str], None]) -> State:
    """Return the running stack's state, after starting one in the background if there is none.

    ``told`` gets the keeper's lines while it starts.

    Raises:
        NotReady: the keeper gave up; the text is what it said.

    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG
    process: subprocess.Popen[bytes] | None = None
    if keeper_pid(folder) is None:
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "stack.keeper", "--folder", str(folder), "--parts", ",".join(parts)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                cwd=PROJECT,
            )
        # Somebody must take its exit code, should it end before us.
        threading.Thread(target=process.wait, daemon=True).start()
    with log.open() as lines:
        while True:
            for line in lines:
                told(line.rstrip("\n"))
            found = state(folder)
            if found:
                return found
            if (process.poll() is not None) if process else keeper_pid(folder) is None:
                raise NotReady(log.read_text().strip() or "the keeper ended without a word")
            time.sleep(LOOK_SECONDS)


def down(folder: Path, *, keep: bool) -> bool:
    """Stop the stack, remove its data unless ``keep``; tell whether one was running."""
    pid = keeper_pid(folder)
    if pid:
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + PATIENCE_SECONDS
        while keeper_pid(folder) is not None:
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
            time.sleep(LOOK_SECONDS)
    if not keep and folder.exists():
        Stack(folder, [name for name in LEAVING if (folder / name).exists()], Options(keep=True)).discard()
        shutil.rmtree(folder, ignore_errors=True)
    return pid is not None
