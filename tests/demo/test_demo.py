"""``python -m demo`` end to end: the whole topology, a few seconds of site, the audit, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.program import PROJECT
from demo.unheard import CRUCIBLES
from stack.family import descendants
from stack.topology import EVERYTHING, Stack
from tests.awaiting import await_that
from tests.stack.watching import lives, provided

if TYPE_CHECKING:
    from collections.abc import Iterator

VERDICT = re.compile(
    r"demo: ok changes=(\d+) entries=(\d+) votes=(\d+) admitted=(\d+) rejected=(\d+) refunded=(\d+) settled=(\d+) "
    r"paid=(\d+) cancelled=(\d+) repaired=(\d+) lost=0 twice=0 seconds=(\d+)"
)


@pytest.fixture(scope="module", autouse=True)
def parts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the demo needs, fetched; skipped with the reason where it cannot be had."""
    topology = Stack(tmp_path_factory.mktemp("fetch"), parts=EVERYTHING)
    try:
        with provided():
            topology.fetch()
    finally:
        topology.close()


PARTS_START = "kafka is up"
PEOPLE_ARE_THERE = "changes="


@pytest.fixture
def started(number: signal.Signals) -> Iterator[subprocess.Popen[str]]:
    """A demo that runs for longer than the test, gone after it; with judges where it is killed without a warning."""
    process = _start("--seconds", "600", *(() if number is signal.SIGKILL else ("--votes", "0")))
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(60)
    assert process.stdout is not None
    process.stdout.close()


def test_demo_ends_by_itself_and_finds_nothing_lost() -> None:
    """The last line is the verdict, with what Postgres committed; the exit code agrees; no process, no folder stays."""
    process = _start("--seconds", "10", "--rate", "100")
    family: set[int] = set()
    watching = threading.Event()

    def watch() -> None:
        while not watching.wait(0.5):
            family.update(descendants(process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        out, _ = process.communicate(timeout=420)
    finally:
        watching.set()
        thread.join()
        process.kill()
    verdict = VERDICT.fullmatch(out.splitlines()[-1])

    assert process.returncode == 0, out
    assert verdict, out
    assert int(verdict[1]) > 500
    assert int(verdict[3]) > 10, "hardly anybody voted"  # a busy machine takes seconds for the first pairs
    assert int(verdict[4]) > 10, "hardly anybody is in"
    assert int(verdict[5]) > 10, "hardly anybody is out"
    assert int(verdict[7]) >= 2, "one crucible ends with entries, and one without"
    assert int(verdict[9]) >= 1, "none was cancelled"
    assert int(verdict[10]) >= CRUCIBLES, "what no stream could tell was not put right"
    assert re.search(r"vote yourself: http://127\.0\.0\.1:\d+/arena/\d+#token=\S+\n", out), out
    assert "\x1b" not in out, "colours or cursor movements without a terminal"
    assert len(family) > 10
    await_that(lambda: not any(map(lives, family)), "the demo's processes to be gone")
    assert not _folders(process.pid)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGKILL, PARTS_START),
        pytest.param(signal.SIGKILL, PEOPLE_ARE_THERE, marks=pytest.mark.soak("starts everything")),
        pytest.param(signal.SIGTERM, PEOPLE_ARE_THERE, marks=pytest.mark.soak("starts everything")),
    ],
    ids=["killed while parts start", "killed", "ended"],
)
def test_interrupted_demo_leaves_nothing(started: subprocess.Popen[str], number: signal.Signals, moment: str) -> None:
    """SIGTERM (handled as Ctrl-C is) or SIGKILL in the middle: every process is gone soon, and the folder with it."""
    assert started.stdout is not None
    assert any(moment in line for line in started.stdout)
    family = descendants(started.pid)
    assert len(family) > 10

    started.send_signal(number)
    rest = started.stdout.read()
    code = started.wait(60)
    await_that(lambda: not any(map(lives, family)), "the demo's processes to be gone")
    await_that(lambda: not _folders(started.pid) or number is signal.SIGKILL, "the demo's folder to be gone")
    if number is not signal.SIGKILL:
        assert code == 130
        assert rest.splitlines()[-1] == "demo: FAILED interrupted"


@pytest.mark.soak("starts everything")
def test_failure_is_told_in_the_last_line() -> None:
    """A demo that cannot go on says why, last, and exits with 1."""
    process = _start("--seconds", "600", "--rate", "20", "--votes", "0")
    assert process.stdout is not None
    for line in process.stdout:
        if "changes=" in line:
            break
    for pid in descendants(process.pid):
        if b"redis-server" in _command(pid):
            os.kill(pid, signal.SIGKILL)
    rest = process.stdout.read()
    process.stdout.close()

    assert process.wait(60) == 1
    assert rest.splitlines()[-1].startswith("demo: FAILED redis ended by itself")


@pytest.mark.soak("starts everything, twice")
@pytest.mark.parametrize("dies", [False, True], ids=["interrupted", "a part dies"])
def test_who_stays_learns_the_verdict_at_once_and_the_last_line_is_of_the_end(dies: bool) -> None:
    """``--keep`` says how the audit went before it waits; its end says what is so then, and nobody waits for long."""
    process = _start("--seconds", "8", "--votes", "20", "--keep")
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if line.startswith("  export TOKEN="):
            break
    told = "".join(said)
    family = descendants(process.pid)

    if dies:
        for pid in family:
            if b"redis-server" in _command(pid):
                os.kill(pid, signal.SIGKILL)
    else:
        process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    code, last = process.wait(60), rest.splitlines()[-1]

    assert re.search(r"^ *[0-9.]+ s  ok changes=.* lost=0 twice=0 .*\neverything stays up", told, re.MULTILINE), told
    if dies:
        assert (code, last) == (1, "demo: FAILED redis ended by itself")
    else:
        assert code == 0, rest
        assert VERDICT.fullmatch(last), rest
    await_that(lambda: not any(map(lives, family)), "the demo's processes to be gone")
    assert not _folders(process.pid)


def test_impossible_arguments_are_refused() -> None:
    """No time or no rate is a usage error."""
    process = _start("--seconds", "0")

    assert process.communicate(timeout=60)[0].splitlines()[-1].endswith("must be above 0")
    assert process.returncode == 2


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("CRUCIBLE_")}
        | {key: value for key, value in os.environ.items() if key == "CRUCIBLE_CACHE"},
    )


def _folders(pid: int) -> list[Path]:
    return list((PROJECT / ".stack").glob(f"demo-{pid}-*"))


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
