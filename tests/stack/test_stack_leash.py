"""A program on a leash ends with its owner, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from stack.family import descendants
from stack.guard import Guard
from stack.leashed import Leashed, Program
from tests.awaiting import await_that
from tests.stack.watching import REPOSITORY, lives

if TYPE_CHECKING:
    from pathlib import Path

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a subreaper")

# Starts a child in a session of its own, as Postgres does with its backends; both write their ids and sleep.
FAMILY = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
open(f"{sys.argv[1]}/{os.getpid()}", "w").close()
time.sleep(600)
"""
# An owner as a program: leashes a family, then forks a child that keeps every descriptor open, then waits.
OWNER = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from pathlib import Path
from stack.guard import Guard
from stack.leashed import Leashed, Program
here = Path(sys.argv[1])
guard = Guard([here / "data"])
program = Program([sys.executable, "-c", sys.argv[2], str(here / "pids")], here / "log", dict(os.environ), here)
leashed = Leashed(program)
if os.fork() == 0:
    (here / "forked").write_text(str(os.getpid()))
time.sleep(600)
"""


def family(folder: Path) -> list[int]:
    """Return the ids that the family has written so far."""
    return [int(entry.name) for entry in folder.iterdir()]


@pytest.fixture
def leashed(tmp_path: Path) -> Leashed:
    """Give a family of two on a leash."""
    (tmp_path / "pids").mkdir()
    command = [sys.executable, "-c", FAMILY, str(tmp_path / "pids")]
    program = Leashed(Program(command, tmp_path / "log", dict(os.environ), tmp_path))
    await_that(lambda: len(family(tmp_path / "pids")) == 2, "both have started")
    return program


@linux_only
def test_kill_takes_the_whole_family(leashed: Leashed, tmp_path: Path) -> None:
    """SIGKILL to the program ends its descendants too, also those in sessions of their own."""
    leashed.send(signal.SIGKILL)

    assert leashed.wait(10) == 128 + signal.SIGKILL
    assert not [pid for pid in family(tmp_path / "pids") if lives(pid)]


def test_exit_code_comes_through(tmp_path: Path) -> None:
    """What the program returns is what its owner gets."""
    program = Leashed(Program(["/bin/sh", "-c", "exit 7"], tmp_path / "log", dict(os.environ), tmp_path))

    assert program.wait(10) == 7


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """A command that cannot be run ends at once, and the log says why."""
    program = Leashed(Program([str(tmp_path / "absent")], tmp_path / "log", dict(os.environ), tmp_path))

    assert program.wait(10) != 0
    assert "absent" in (tmp_path / "log").read_text()


@linux_only
def test_killing_the_leash_kills_the_program(leashed: Leashed) -> None:
    """Should the leash itself be killed, the kernel kills the program."""
    os.kill(leashed._leash.pid, signal.SIGKILL)

    await_that(lambda: not lives(leashed.pid), "the program is gone")
    leashed.wait(10)


def own(tmp_path: Path) -> subprocess.Popen[bytes]:
    """Start an owner that has a family on a leash, and a forked child."""
    (tmp_path / "pids").mkdir()
    (tmp_path / "data").mkdir()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path), FAMILY], cwd=REPOSITORY)
    await_that(lambda: len(family(tmp_path / "pids")) == 2 and (tmp_path / "forked").exists(), "the owner is set")
    return owner


@linux_only
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_an_owner(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever ends the owner ends the family and removes its data, though a forked child holds the pipe open."""
    owner = own(tmp_path)

    owner.send_signal(number)
    owner.wait(10)

    try:
        await_that(lambda: not any(map(lives, family(tmp_path / "pids"))), "the family is gone")
        await_that(lambda: not (tmp_path / "data").exists(), "its data is gone")
    finally:
        os.kill(int((tmp_path / "forked").read_text()), signal.SIGKILL)


def test_a_guard_waits_for_folders_yet_to_be_made(tmp_path: Path) -> None:
    """Released, it removes what is there by then and leaves what is beside it."""
    guard = Guard([tmp_path / "later", tmp_path / "never"])
    (tmp_path / "later" / "inner").mkdir(parents=True)
    (tmp_path / "beside").mkdir()

    guard.release()

    assert [entry.name for entry in tmp_path.iterdir()] == ["beside"]


def test_without_a_leash_a_program_outlives_its_owner(tmp_path: Path) -> None:
    """The control: the same family, started plainly, is still there after its owner was killed."""
    (tmp_path / "pids").mkdir()
    plain = "import subprocess, sys, time; subprocess.Popen([sys.executable, *sys.argv[1:]]); time.sleep(600)"
    owner = subprocess.Popen([sys.executable, "-c", plain, "-c", FAMILY, str(tmp_path / "pids")])
    await_that(lambda: len(family(tmp_path / "pids")) == 2, "both have started")

    owner.kill()
    owner.wait(10)

    survivors = [pid for pid in family(tmp_path / "pids") if lives(pid)]
    for pid in survivors:
        os.kill(pid, signal.SIGKILL)
    assert len(survivors) == 2


def test_no_variable_of_the_caller_reaches_a_program(tmp_path: Path) -> None:
    """The environment is the one that was given, whole."""
    program = Leashed(Program(["/usr/bin/env"], tmp_path / "log", {"ONLY": "this"}, tmp_path))

    program.wait(10)
    told = {line.partition("=")[0] for line in (tmp_path / "log").read_text().splitlines()}
    assert told - {"LC_CTYPE", "PWD"} == {"ONLY"}  # the interpreter of the leash may add a locale


def test_who_is_gone_has_no_descendants() -> None:
    """A process that has ended is asked about without an error: it may end at any moment."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert descendants(ended.pid) == []


def test_parents_come_before_their_children(tmp_path: Path) -> None:
    """Whoever signals a family from the front has stopped a parent before it can replace what was signalled."""
    three = "sh -c 'sleep 600 & wait' & wait"
    program = Leashed(Program(["sh", "-c", three], tmp_path / "log", dict(os.environ), tmp_path))
    await_that(lambda: len(descendants(program.pid)) == 2, "both generations are there")

    found = descendants(program.pid)
    parents = [psutil.Process(one).ppid() for one in found]
    program.send(signal.SIGKILL)
    program.wait()

    assert parents == [program.pid, found[0]]
