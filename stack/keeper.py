"""Own a stack in the background: ``python -m stack.keeper --folder DIR``.

A keeper holds a lock on its folder, writes what a person asks for into a state file, and ends on SIGTERM after its
parts. Killed, it takes them along; the data stays until somebody says that it may go.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stack.ending import EndSignal
from stack.topology import EVERYTHING, Options, Stack
from stack.unavailable import NotReady, Unavailable

LOCK = "keeper.lock"
STATE = "state.json"
LOG = "keeper.log"
# Seconds between two looks at the parts.
LOOK_SECONDS = 0.5
# Seconds to insist on the lock: whoever looks whether there is a keeper holds it for a moment.
INSISTENCE_SECONDS = 1.0


def main(argv: list[str] | None = None) -> int:
    """Start the parts, keep the state file true, stop the parts; 0 after an orderly end, 1 if they did not start."""
    parser = argparse.ArgumentParser(prog="python -m stack.keeper")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(EVERYTHING))
    given = parser.parse_args(argv)
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=INSISTENCE_SECONDS, on_acquired=_sign)
    try:
        held = lock.acquire()
    except Timeout:
        print(f"stack: {folder} has a keeper already", file=sys.stderr)
        return 1
    with held:
        return _keep(folder, given.parts.split(","))


def _sign(lock: int) -> None:
    """Write this process's id into its lock file."""
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())


def _keep(folder: Path, parts: list[Any]) -> int:
    ending = EndSignal()
    stack = Stack(folder, parts, Options(keep=True))
    try:
        stack.start(lambda name, seconds: print(f"stack: {name} is ready after {seconds:.1f} s", flush=True))
        while True:
            _write_state(folder, stack)
            if ending.wait(LOOK_SECONDS):
                return 0
    except (NotReady, Unavailable) as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1
    finally:
        (folder / STATE).unlink(missing_ok=True)
        stack.close()


def _write_state(folder: Path, stack: Stack) -> None:
    parts = [
        {"name": part.name, "pid": part.pid, "alive": part.is_alive(), "ports": dict(part.ports), "log": str(part.log)}
        for part in stack.parts
    ]
    text = json.dumps({"parts": parts, "environ": stack.environ()}, indent=1)
    target = folder / STATE
    if target.exists() and target.read_text() == text:
        return
    fresh = target.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.rename(target)


if __name__ == "__main__":
    sys.exit(main())
