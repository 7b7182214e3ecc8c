"""The demo from start to audit."""

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from demo.audit import AuditReport, audit
from demo.board import Living, ReadingsBoard
from demo.endings import podium
from demo.entries import buzz_books
from demo.pipeline import SHUTDOWN_SECONDS, Pipeline, Told
from demo.places import UNREACHABLE, Places
from demo.program import PROJECT, OwnProgram, ProgramError
from demo.readings import Reading, read
from demo.settling import RULES, Settling
from demo.staying import stay
from demo.told.heard import Ears
from demo.unheard import Unheard
from demo.verdict import verdict
from demo.voting import FAVOURITE, OUR_VISITOR, VISITOR, Voting
from stack.guard import Guard
from stack.ports import Ports
from stack.topology import EVERYTHING, Options, Stack

WITHOUT_PROGRESS_SECONDS = 20.0
"""Seconds in which nothing more arrives until the audit's verdict stands."""
LOOK_SECONDS = 1.0
"""Seconds between two audits; each compares every row that there is."""
UNHEARD_SHARE = 0.2
"""Of the site's time, after which crucibles are made of which nobody hears: it is found and mended meanwhile."""
STARTING_SECONDS = 30.0
"""Seconds that the simulator has to connect and to create its people."""


@dataclass(frozen=True, slots=True)
class PlayRequest:
    """What was asked for on the command line."""

    seconds: float = 60.0
    """How long the site's users are at it."""
    rate: float = 200.0
    """Row changes a second."""
    votes: float = 60.0
    """Votes a second; 0: nobody votes."""
    seed: int = 1
    keep: bool = False
    """Stay up after the audit, until interrupted."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """Give a folder below the project that is removed at the end, also when this process is killed."""
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


def play(request: PlayRequest, console: Console) -> AuditReport:
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
        stack = Stack(folder / "stack", (*EVERYTHING, "buzz", "notifications"), Options(redis_appendfsync="always"))
        ports = Ports()
        voting, settling = Voting(folder, ports), Settling(stack, folder, ports)
        ears = Ears(stack.notifications.url, stack.kafka.bootstrap_servers)
        try:
            voting.start_pictures()
            stack.start(lambda name, seconds: told(f"{name} is up after {seconds:.1f} s"))
            with (
                Pipeline(stack, folder, told, {**voting.environ(), **RULES}, role="all") as pipeline,
                Places.at(stack.endpoints) as places,
            ):
                settling.start(pipeline)
                told("the settle role collects fees, and a second connector tells other services")
                scene = _Scene(pipeline, voting, settling, places, ears, console, told)
                report = _perform(request, scene)
                if not request.keep:
                    return report
                first = verdict(report, time.monotonic() - began, voted=bool(request.votes))
                return stay(first, told, lambda: _show(scene), lambda: _end(scene), scene.audit_unseen)
        finally:
            ears.close()
            settling.program.kill()
            voting.pictures.kill()
            stack.close()
            ports.close()


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is there while people are at it."""

    pipeline: Pipeline
    voting: Voting
    settling: Settling
    places: Places
    ears: Ears
    console: Console
    told: Told

    def read(self) -> Reading:
        return read(self.places, self.pipeline.ops_port)

    def parts(self) -> tuple[Living, ...]:
        return (*self.pipeline.stack.parts, *self.programs())

    def programs(self) -> tuple[OwnProgram, ...]:
        return self.pipeline.watcher, self.settling.program, self.voting.pictures

    def audit(self) -> AuditReport:
        return audit(self.places, self.voting.ledger, self.settling.buzz_url, self.ears)

    def audit_unseen(self) -> AuditReport:
        """Audit without the judges' ledger: whoever has voted on the page meanwhile kept none of it."""
        return audit(self.places, None, self.settling.buzz_url, self.ears)


def _perform(request: PlayRequest, scene: _Scene) -> AuditReport:
    pipeline, voting = scene.pipeline, scene.voting
    pace = ("--seconds", str(request.seconds), "--rate", str(request.rate), "--seed", str(request.seed))
    site = pipeline.simulator((*pace, "--buzz", scene.settling.buzz_url))
    judges = voting.judges(pipeline.environ, seconds=request.seconds, rate=request.votes, seed=request.seed)
    people = {"the site simulator": site, **({"the judges": judges} if request.votes else {})}
    unheard = Unheard(pipeline, scene.places, scene.told, request.seconds * UNHEARD_SHARE)
    try:
        site.start()
        site.await_word(STARTING_SECONDS)
        for program in people.values():
            if program is not site:
                program.start()
        scene.told(f"vote yourself: {_page(scene)}")
        board = ReadingsBoard(scene.console, scene.parts(), scene.read, tuple(people.values()))
        arrival = _Arrival(scene.audit)
        board.watch(lambda: all((unheard(), _left(scene, people))) and arrival())
        unheard.compare()
        if request.votes:
            scene.told(f"what the judges were answered: {_answers(judges)}")
        _tell_of_endings(scene)
    finally:
        unheard.close()
        for program in people.values():
            program.kill()
    if not request.keep:
        _end(scene)
    return scene.audit_unseen()


def _tell_of_endings(scene: _Scene) -> None:
    """Tell who won, and where the Buzz is."""
    for line in podium.podiums(scene.places.postgres):
        scene.told(line)
    scene.told(podium.ledger(buzz_books.read(scene.settling.buzz_url)))
    heard = scene.ears.listen()
    scene.told(f"users were told {len(heard.notices)} times, other services of {len(heard.events)} events")


def _answers(judges: OwnProgram) -> str:
    """Return the answers by kind, from the judges' last line."""
    told = json.loads(judges.log.read_text(encoding="utf-8").splitlines()[-1])
    return "  ".join(f"{kind}={count}" for kind, count in told.items() if kind != "state")


def _page(scene: _Scene) -> str:
    """Return where a person can vote along."""
    crucible = scene.places.postgres.execute(FAVOURITE).fetchone()
    if not crucible:
        raise ProgramError("the site simulator made no crucible")
    return scene.voting.page(crucible[0], _visitor(scene.places))


def _visitor(places: Places) -> int:
    found = places.postgres.execute(OUR_VISITOR, (VISITOR,)).fetchone()
    if not found:
        raise ProgramError("the site simulator made no visitor")
    return int(found[0])


def _left(scene: _Scene, people: Mapping[str, OwnProgram]) -> bool:
    """Return whether the site's users have left; raises when something that should run does not."""
    for part in scene.pipeline.stack.parts:
        if not part.is_alive():
            raise ProgramError(f"{part.name} ended by itself")
    for program in scene.programs():
        if not program.is_alive():
            raise ProgramError(f"{program.name} ended by itself, {_how(program.wait(0.0))}. {program.last_words()}")
    for name, program in people.items():
        if not program.is_alive() and program.wait(5.0):
            raise ProgramError(f"{name} failed. {program.last_words()}")
    return not any(program.is_alive() for program in people.values())


def _how(code: int) -> str:
    """Return how a program ended, from its exit code."""
    return f"killed by {signal.Signals(code - 128).name}" if code > 128 else f"with exit code {code}"


class _Arrival:
    """Over once the audit finds nothing to complain about, or nothing more arrives."""

    def __init__(self, look: Callable[[], AuditReport]) -> None:
        self._look = look
        self._last: AuditReport | None = None
        self._moved = self._looked = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        self._moved = self._moved or now
        if now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        try:
            report = self._look()
        except UNREACHABLE:
            return now - self._moved > WITHOUT_PROGRESS_SECONDS
        if report != self._last:
            self._moved, self._last = now, report
        return report.ok or now - self._moved > WITHOUT_PROGRESS_SECONDS


def _show(scene: _Scene) -> None:
    """Say how to look around, then show what happens until somebody interrupts."""
    pipeline, console = scene.pipeline, scene.console
    console.print("everything stays up; Ctrl-C ends it. To vote:")
    console.print(f"  {_page(scene)}", soft_wrap=True, highlight=False, markup=False)
    console.print("To look around:")
    for name, value in sorted({**pipeline.environ, **scene.settling.exports}.items()):
        console.print(f"  export {name}='{value}'", soft_wrap=True, highlight=False, markup=False)
    token = scene.voting.sign_in.token(_visitor(scene.places))
    for name, value in (("API", scene.voting.at.api), ("TOKEN", token)):
        console.print(f"  export {name}='{value}'", soft_wrap=True, highlight=False, markup=False)
    ReadingsBoard(console, scene.parts(), scene.read).watch(lambda: _left(scene, {}) and False)


def _end(scene: _Scene) -> None:
    """End the daemon's roles as an operator does.

    Raises:
        ProgramError: one of them did not end well.
    """
    code = scene.pipeline.watcher.stop(SHUTDOWN_SECONDS)
    if code:
        raise ProgramError(f"the watcher ended with exit code {code}. {scene.pipeline.watcher.last_words()}")
    scene.settling.stop()
