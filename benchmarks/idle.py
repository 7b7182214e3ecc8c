"""What the daemon costs while little happens: the share of one core that each role takes.

The whole topology runs with the settings that it ships with, Debezium's heartbeats included. First the site simulator
makes 500 row changes a second for the watch role, which reads its own verdicts on them as well; then so many that it
reads 500 in all. Then the site falls silent, and each role runs alone for a while: nobody changes anything, and nobody
asks the API. What counts is the CPU time of the role's process and of those that it starts, all threads, divided by the
time that passed; the first seconds, in which a role starts, are not counted.

Machines differ, so a plain consumer runs beside the watch role while 500 changes are read: what it takes of the same
core for the same records in the same seconds says what this machine makes of them.
"""

import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import LiteralString, NamedTuple

from rich.console import Console

from benchmarks.process import cpu_seconds, family_cpu_seconds, thread_cpu_seconds
from benchmarks.results import Result
from demo.audit import audit
from demo.pipeline import SHUTDOWN_SECONDS, Pipeline
from demo.places import Places
from demo.play import own_folder
from demo.program import OwnProgram, ProgramError
from demo.readings import COUNT_CHANGES
from demo.voting import Voting
from stack.ports import Ports
from stack.probe import http_status
from stack.topology import Stack

BEFORE = {"watch": 0.0152, "api": 0.0053, "all": 0.0183}
"""Roles, and what each came to on two cores while its threads looked around many times a second."""
CHANGES_PER_SECOND = 500
"""Row changes a second of the load: of the site first, then of the site and of the watcher's own verdicts together."""
COUNT_VERDICTS = "SELECT count(*) FROM crucible_watcher.entry_decision"
"""Each is a change of a row that the watcher reads."""
WARM_UP_SECONDS = 10.0
LOADED_SECONDS = 40.0
SETTLING_SECONDS = 15.0
"""From the end of a start until a role counts as idle: first sweeps are over, sessions are joined."""
SETTLING_AFTER_LOAD_SECONDS = 60.0
"""Likewise from the end of the load: the sweeps that come each minute have seen what it has left."""
IDLE_SECONDS = 60.0
"""Six of Debezium's heartbeats, and one of the sweeps that come each minute."""
PATIENCE_SECONDS = 60.0
LEAST_TOLD_CORES = 0.0005
"""Of a core: threads that take less are not listed."""
VERDICTS = "entries"
"""The thread that decides entries. Its share is told apart: it reads and writes PostgreSQL, not the change stream."""
IDLE_GOAL_CORES, LOADED_GOAL_CORES = 0.01, 0.05
LOADED_BEFORE_CORES = 0.0582
"""Likewise, of the watch role at 462 changes a second, in which nothing decided about entries yet."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is there throughout."""

    pipeline: Pipeline
    places: Places
    folder: Path
    console: Console

    def count(self, query: LiteralString) -> int:
        """Return the number that PostgreSQL answers."""
        row = self.places.postgres.execute(query).fetchone()
        return int(row[0]) if row else 0


def measure(console: Console) -> list[Result]:
    """Run the topology and measure each role.

    Raises:
        RuntimeError: the load was not what it should be, or not everything arrived once: then the share says nothing.
    """
    ports = Ports()
    with own_folder() as folder, Stack(folder / "stack") as stack:
        try:
            environ = Voting(folder, ports).environ()
            with (
                Pipeline(stack, folder, console.print, environ) as pipeline,
                Places.at(stack.endpoints) as places,
            ):
                scene = _Scene(pipeline, places, folder, console)
                of_site = _loaded(scene, CHANGES_PER_SECOND)
                plain = _plain_consumer(scene)
                try:
                    plain.start()
                    of_all = _loaded(scene, round(CHANGES_PER_SECOND * of_site.site_share), plain)
                finally:
                    plain.kill()
                _await_all(scene.places)
                shares = {role: _idle(scene, role) for role in BEFORE}
        finally:
            ports.close()
    return [
        *(
            Result(f"idle_core_share_{role}", share, "cores", BEFORE[role], IDLE_GOAL_CORES, lower_is_better=True)
            for role, share in shares.items()
        ),
        Result(
            f"cdc_{CHANGES_PER_SECOND}_core_share",
            of_all.whole,
            "cores",
            LOADED_BEFORE_CORES,
            LOADED_GOAL_CORES,
            lower_is_better=True,
        ),
        Result(
            f"cdc_{CHANGES_PER_SECOND}_vs_plain_consumer",
            round(of_all.whole / of_all.plain, 2),
            "ratio",
            lower_is_better=True,
        ),
        Result(f"site_{CHANGES_PER_SECOND}_core_share", of_site.whole, "cores", lower_is_better=True),
        Result(f"stream_at_site_{CHANGES_PER_SECOND}_core_share", of_site.stream, "cores", lower_is_better=True),
        Result(f"verdicts_at_site_{CHANGES_PER_SECOND}_core_share", of_site.verdicts, "cores", lower_is_better=True),
    ]


class _Loaded(NamedTuple):
    """What a load came to."""

    site_rate: float
    """Row changes of the site a second."""
    own_rate: float
    """Verdicts a second."""
    whole: float
    """The watch role's share of a core."""
    verdicts: float
    """Of it, that of deciding entries."""
    plain: float
    """The share of a plain consumer that ran beside it; 0: none did."""

    @property
    def site_share(self) -> float:
        """Return the site's part of the changes that were read."""
        return self.site_rate / (self.site_rate + self.own_rate)

    @property
    def stream(self) -> float:
        """Return the share of everything but deciding."""
        return round(self.whole - self.verdicts, 4)


def _plain_consumer(scene: _Scene) -> OwnProgram:
    """Return a plain consumer of what the watch role reads."""
    return OwnProgram("plain-consumer", ("-m", "benchmarks.plain_consumer"), scene.folder, scene.pipeline.environ)


def _loaded(scene: _Scene, rate: int, plain: OwnProgram | None = None) -> _Loaded:
    """Return what so many changes of the site a second come to, also for a plain consumer that runs.

    Raises:
        RuntimeError: there were fewer.
    """
    people = scene.pipeline.simulator(("--seconds", "3600", "--rate", str(rate)))
    people.start()
    try:
        people.await_word(PATIENCE_SECONDS)
        time.sleep(WARM_UP_SECONDS)
        began, before, decided = time.monotonic(), scene.count(COUNT_CHANGES), scene.count(COUNT_VERDICTS)
        plain_before = _cpu_seconds(plain)
        share, spent = _share(scene, scene.pipeline.watcher, LOADED_SECONDS)
        seconds = time.monotonic() - began
        found = _Loaded(
            (scene.count(COUNT_CHANGES) - before) / seconds, (scene.count(COUNT_VERDICTS) - decided) / seconds, share,
            round(spent.get(VERDICTS, 0.0), 4), (_cpu_seconds(plain) - plain_before) / seconds,
        )  # fmt: skip
        people.stop(30)
    finally:
        people.kill()
    scene.console.print(
        f"watch at {found.site_rate:.0f} changes/s of the site and {found.own_rate:.0f} of its own: "
        f"{found.whole:.4f} cores, {found.verdicts:.4f} of them for verdicts; a plain consumer {found.plain:.4f}"
    )
    if found.site_rate < 0.9 * rate:
        raise RuntimeError(
            f"the load was {found.site_rate:.0f} changes/s instead of {rate}: this machine is too busy to measure"
        )
    return found


def _idle(scene: _Scene, role: str) -> float:
    """Return a role's share of a core while nothing happens; it is ended afterwards."""
    if role == "watch":
        program = scene.pipeline.watcher
    else:
        arguments = ("-m", "watcher", "run", "--role", role)
        program = OwnProgram(f"{role}-role", arguments, scene.folder, scene.pipeline.environ)
        program.start()
    try:
        _await_ready(program, scene.pipeline.ops_port)
        time.sleep(SETTLING_AFTER_LOAD_SECONDS if program is scene.pipeline.watcher else SETTLING_SECONDS)
        share, _ = _share(scene, program, IDLE_SECONDS)
    finally:
        program.stop(SHUTDOWN_SECONDS)
    scene.console.print(f"{role} idle: {share:.4f} cores")
    return share


def _share(scene: _Scene, program: OwnProgram, seconds: float) -> tuple[float, dict[str, float]]:
    """Return CPU seconds for each second that passes, of the whole process and of each thread, and say the latter."""
    if program.pid is None:
        raise ProgramError(f"{program.name} does not run. {program.last_words()}")
    began, before, threads = time.monotonic(), family_cpu_seconds(program.pid), thread_cpu_seconds(program.pid)
    time.sleep(seconds)
    passed = time.monotonic() - began
    spent = {name: (used - threads.get(name, 0.0)) / passed for name, used in thread_cpu_seconds(program.pid).items()}
    told = sorted(((share, name) for name, share in spent.items() if share >= LEAST_TOLD_CORES), reverse=True)
    scene.console.print("by thread: " + ", ".join(f"{name} {share:.2%}" for share, name in told))
    return round((family_cpu_seconds(program.pid) - before) / passed, 4), spent


def _cpu_seconds(plain: OwnProgram | None) -> float:
    """Return the CPU seconds of a plain consumer so far.

    Raises:
        ProgramError: it has ended.
    """
    if plain is None:
        return 0.0
    if plain.pid is None:
        raise ProgramError(f"{plain.name} does not run. {plain.last_words()}")
    return cpu_seconds(plain.pid)


def _await_ready(program: OwnProgram, ops_port: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while http_status(ops_port, "/readyz", patience=2.0) != HTTPStatus.OK:
        if time.monotonic() > until or not program.is_alive():
            raise ProgramError(f"{program.name} did not get ready. {program.last_words()}")
        time.sleep(0.2)


def _await_all(places: Places) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (report := audit(places)).ok:
        if time.monotonic() > until:
            raise RuntimeError(f"not everything arrived once: {report}")
        time.sleep(0.5)
