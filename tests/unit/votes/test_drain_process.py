"""Whatever the drain's process says or does, somebody goes on listening to it."""

import queue
import signal
import sys

import pytest

from watcher.bootstrap import drain_process
from watcher.bootstrap.drain_process import DrainProcess
from watcher.model.errors import TemporaryError
from watcher.runtime.deadline import Deadline
from watcher.runtime.retry import Retry

PATIENCE_SECONDS = 20.0
SPEAKING = r"""
import sys
sys.stdout.buffer.write(b'free(): invalid\n\xff\n{"what":"waiting","values":[1,2,3]}\n')
sys.stdout.buffer.write(b'{"what":"parked","values":[3,"why"]}\n')
sys.stdout.flush()
sys.stdin.read()
"""


class Heard(queue.Queue[tuple[str, object]]):
    """What was told, in its order."""

    def drained(self, votes: int, outcome: str, seconds: float) -> None:
        self.put(("drained", (votes, outcome, seconds)))

    def waiting(self, oldest_ms: int | None) -> None:
        self.put(("waiting", oldest_ms))

    def away(self, error: TemporaryError) -> None:
        self.put(("away", str(error)))

    def parked(self, bucket: int, error: str) -> None:
        self.put(("parked", (bucket, error)))


def test_lines_that_are_none_of_ours_are_passed_over() -> None:
    """A library's own words, bytes that are no text, an answer of another shape: what comes after them is heard."""
    heard = Heard()
    process = DrainProcess(heard, pytest.fail, (sys.executable, "-c", SPEAKING))
    process.start()
    try:
        assert heard.get(timeout=PATIENCE_SECONDS) == ("parked", (3, "why"))
    finally:
        assert process.close(Deadline.after(PATIENCE_SECONDS))


def test_a_process_that_cannot_be_started_is_tried_again() -> None:
    """Each attempt that fails is told, and the next one follows."""
    heard = Heard()
    process = DrainProcess(heard, pytest.fail, ("/there/is/no/such/program",))
    process.retry = Retry(0.01, 0.01)
    process.start()
    try:
        for _ in range(2):
            what, why = heard.get(timeout=PATIENCE_SECONDS)
            assert what == "away"
            assert "FileNotFoundError" in str(why)
    finally:
        assert process.close(Deadline.after(PATIENCE_SECONDS))


def test_a_fault_that_stays_is_handed_on() -> None:
    """The control: what the child gives up for ends the role."""
    failed: queue.Queue[BaseException] = queue.Queue()
    speaking = """print('{"what":"failed","values":["migrate first"]}', flush=True)"""
    process = DrainProcess(Heard(), failed.put, (sys.executable, "-c", speaking))
    process.start()
    try:
        assert str(failed.get(timeout=PATIENCE_SECONDS)) == "migrate first"
    finally:
        assert process.close(Deadline.after(PATIENCE_SECONDS))


def test_a_child_that_does_not_end_is_killed_at_the_deadline() -> None:
    """The process may not wait for it any longer, and may not leave it behind."""
    heard = Heard()
    deaf = """import time; print('{"what":"waiting","values":[7]}', flush=True); time.sleep(1000)"""
    process = DrainProcess(heard, pytest.fail, (sys.executable, "-c", deaf))
    process.start()
    assert heard.get(timeout=PATIENCE_SECONDS) == ("waiting", 7)

    assert process.close(Deadline.after(0.1))
    assert process._child is not None
    assert process._child.returncode == -signal.SIGKILL


def test_one_that_ends_by_itself_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Votes go on being drained."""
    monkeypatch.setattr(drain_process, "RESTART_SECONDS", 0.01)
    heard = Heard()
    brief = """print('{"what":"waiting","values":[7]}', flush=True)"""
    process = DrainProcess(heard, pytest.fail, (sys.executable, "-c", brief))
    process.start()
    try:
        assert [heard.get(timeout=PATIENCE_SECONDS) for _ in range(2)] == [("waiting", 7)] * 2
    finally:
        assert process.close(Deadline.after(PATIENCE_SECONDS))
