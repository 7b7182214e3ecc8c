"""The demo from start to audit."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from demo.audit import Report, audit
from demo.board import Board, Living
from demo.pipeline import SHUTDOWN, Pipeline
from demo.places import UNREACHABLE, Places
from demo.program import PROJECT, OwnProgram, ProgramError
from demo.readings import read
from stack.guard import Guard
from stack.topology import Options, Stack

WITHOUT_PROGRESS = 20.0
"""Seconds in which nothing more arrives until the audit's verdict stands."""
LOOK = 0.5
STARTING = 30.0
"""Seconds that the simulator has to connect and to create its people."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line."""

    seconds: float = 60.0
    """How long the site's users are at it."""
    rate: float = 200.0
    """Row changes a second."""
    seed: int = 1
    keep: bool = False
    """Stay up after the audit, until interrupted."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder below the project that is removed at the end, also when this process is killed."""
    above = PROJECT / ".stack"
    above.mkdir(exist_ok=True)
    folder = above / f"demo-{os.getpid()}-{secrets.token_hex(4)}"
    guard = Guard([folder])
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        guard.release()
        with suppress(OSError):  # another demo is at it, or somebody's stack
            above.rmdir()


def play(request: Request, console: Console) -> Report:
    """Bring everything up, let people at it, wait until all has arrived, end the watcher, audit.

    Raises:
        ProgramError: something that should run ended.
        stack.unavailable.Unavailable: a part cannot be had on this machine.
        stack.unavailable.NotReady: a part did not start.
    """
    began = time.monotonic()

    def told(line: str) -> None:
        console.print(f"{time.monotonic() - began:5.1f} s  {line}", soft_wrap=True, highlight=False)

    with own_folder() as folder:
        stack = Stack(folder / "stack", options=Options())
        try:
            stack.start(lambda name, seconds: told(f"{name} is up after {seconds:.1f} s"))
            with Pipeline(stack, folder, told) as pipeline, Places.at(stack.endpoints) as places:
                report = _perform(request, pipeline, places, console)
                if request.keep:
                    _stay(pipeline, places, console)
                return report
        finally:
            stack.close()


def _perform(request: Request, pipeline: Pipeline, places: Places, console: Console) -> Report:
    people = pipeline.simulator(
        ("--seconds", str(request.seconds), "--rate", str(request.rate), "--seed", str(request.seed))
    )
    people.start()
    try:
        people.await_word(STARTING)
        parts: tuple[Living, ...] = (*pipeline.stack.parts, pipeline.watcher, people)
        board = Board(console, parts, lambda: read(places, f"{pipeline.ops_url}/metrics"))
        arrival = _Arrival(places)
        board.watch(lambda: _left(pipeline, people) and arrival())
    finally:
        people.kill()
    if not request.keep:
        code = pipeline.watcher.stop(SHUTDOWN)
        if code:
            raise ProgramError(f"the watcher ended with exit code {code}. {pipeline.watcher.last_words()}")
    return audit(places)


def _left(pipeline: Pipeline, people: OwnProgram) -> bool:
    """Whether the site's users have left; raises when something that should run does not."""
    for part in pipeline.stack.parts:
        if not part.is_alive():
            raise ProgramError(f"{part.name} ended by itself")
    if not pipeline.watcher.is_alive():
        raise ProgramError(f"the watcher ended by itself. {pipeline.watcher.last_words()}")
    if people.is_alive():
        return False
    if people.wait(5.0):
        raise ProgramError(f"the site simulator failed. {people.last_words()}")
    return True


class _Arrival:
    """Over once the audit finds nothing to complain about, or nothing more arrives."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._last: Report | None = None
        self._moved = self._looked = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        self._moved = self._moved or now
        if now - self._looked < LOOK:
            return False
        self._looked = now
        try:
            report = audit(self._places)
        except UNREACHABLE:
            return now - self._moved > WITHOUT_PROGRESS
        if report != self._last:
            self._moved, self._last = now, report
        return report.ok or now - self._moved > WITHOUT_PROGRESS


def _stay(pipeline: Pipeline, places: Places, console: Console) -> None:
    console.print("everything stays up; Ctrl-C ends it. To look around:")
    for name, value in sorted(pipeline.environ.items()):
        console.print(f"  export {name}='{value}'", soft_wrap=True, highlight=False, markup=False)
    board = Board(
        console, (*pipeline.stack.parts, pipeline.watcher), lambda: read(places, f"{pipeline.ops_url}/metrics")
    )
    try:
        board.watch(lambda: False)
    except KeyboardInterrupt:
        pipeline.watcher.stop(SHUTDOWN)
