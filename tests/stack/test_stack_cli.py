"""``crucible stack``: up is idempotent, status tells the truth, down leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from stack import Stack, background
from stack.cli import app
from tests.awaiting import await_that
from tests.stack.watching import REPOSITORY, lives, provided

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result


class Shell:
    """The command line, on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, verb: str, *options: str) -> Result:
        """Run one verb."""
        return CliRunner().invoke(app, [verb, "--folder", str(self.folder), *options])

    def pids(self) -> list[int]:
        """Return the ids of the running parts."""
        found = background.state(self.folder)
        assert found is not None
        return [part["pid"] for part in found.parts]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Give a folder where Redis alone is kept in the background."""
    with provided(), Stack(tmp_path / "probe", ["redis"]):
        pass
    one = Shell(tmp_path / "local")
    assert one.run("up", "--part", "redis").exit_code == 0
    yield one
    background.down(one.folder, keep=False)


def test_up_twice_is_up_once(shell: Shell) -> None:
    """The second time only says where everything is."""
    first = shell.pids()
    again = shell.run("up", "--part", "redis")

    assert again.exit_code == 0
    assert "export CRUCIBLE_REDIS__URL=redis://127.0.0.1:" in again.output
    assert shell.pids() == first


def test_status_follows_the_parts(shell: Shell) -> None:
    """A part that was killed is shown as ended, with exit code 1."""
    assert "redis" in shell.run("status").output
    assert shell.run("status").exit_code == 0

    os.kill(shell.pids()[0], signal.SIGKILL)

    await_that(lambda: shell.run("status").exit_code == 1, "the state is noticed")
    assert "ENDED" in shell.run("status").output


def test_a_part_that_ended_is_told_by_up_and_comes_back_as_it_says(shell: Shell) -> None:
    """Whoever types ``up`` once more wants it to be up; its data is still there."""
    address = shell.run("env").output
    os.kill(shell.pids()[0], signal.SIGKILL)
    await_that(lambda: shell.run("status").exit_code == 1, "the state is noticed")

    again = shell.run("up", "--part", "redis")

    assert again.exit_code == 1
    assert "redis ended by itself" in again.output
    assert "crucible stack down --keep, then crucible stack up" in again.output
    assert (shell.run("down", "--keep").exit_code, shell.run("up", "--part", "redis").exit_code) == (0, 0)
    assert shell.run("env").output == address


def test_down_leaves_nothing(shell: Shell) -> None:
    """Neither a process nor a file; down and status then say that nothing runs."""
    pids = shell.pids()

    assert shell.run("down").exit_code == 0
    assert not any(map(lives, pids))
    assert not shell.folder.exists()
    assert shell.run("status").exit_code == 3
    assert "was not running" in shell.run("down").output


def test_kept_data_comes_back_on_the_same_port(shell: Shell) -> None:
    """After down --keep, up gives the same address."""
    before = shell.run("env").output

    assert shell.run("down", "--keep").exit_code == 0
    assert shell.run("up", "--part", "redis").exit_code == 0
    assert shell.run("env").output == before


def test_a_killed_keeper_takes_the_parts_along(shell: Shell) -> None:
    """SIGKILL to the keeper leaves no part; the data stays until it is told to go."""
    pids, keeper = shell.pids(), background.keeper_pid(shell.folder)
    assert keeper is not None

    os.kill(keeper, signal.SIGKILL)

    await_that(lambda: not any(map(lives, pids)), "the parts are gone")
    assert shell.run("status").exit_code == 3
    assert (shell.folder / "redis" / "data").exists()


def test_an_unknown_part(tmp_path: Path) -> None:
    """The error names what was given and what there is."""
    answer = Shell(tmp_path / "local").run("up", "--part", "mysql")

    assert answer.exit_code == 2
    assert "mysql: choose from connect" in " ".join(answer.output.replace("│", " ").split())


START = """
import signal, sys
from pathlib import Path
from stack import Stack
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
Stack(Path(sys.argv[1]), ["postgres", "redis"]).start()
"""


def test_an_interrupt_while_it_starts(tmp_path: Path) -> None:
    """A Ctrl-C in the middle of a start ends what has started and removes it, within seconds."""
    with provided(), Stack(tmp_path / "probe", ["redis"]):
        pass
    owner = subprocess.Popen([sys.executable, "-c", START, str(tmp_path / "stack")], cwd=REPOSITORY)
    log = tmp_path / "stack" / "postgres" / "log.txt"
    await_that(log.exists, "Postgres is being initialised")
    began = time.monotonic()

    owner.send_signal(signal.SIGINT)

    assert owner.wait(60) != 0
    await_that(lambda: not (tmp_path / "stack").exists(), "the data is gone")
    assert time.monotonic() - began < 30
    assert str(tmp_path) not in "".join(_command_lines())


def _command_lines() -> Iterator[str]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield entry.read_text()
        except OSError:  # ended meanwhile
            continue
