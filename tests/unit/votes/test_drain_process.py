"""Whatever the drain's process says or does, somebody goes on listening to it."""

import queue
import sys

import pytest

from watcher.bootstrap import drain_process
from watcher.bootstrap.drain_process import DrainProcess
from watcher.model.errors import TemporaryError

PATIENCE = 20.0
SPEAKING = r"""
import sys
sys.stdout.buffer.write(b'free(): invalid\n\xff\n{"what":"waiting","given":[1,2,3]}\n')
sys.stdout.buffer.write(b'{"what":"parked","given":[3,"why"]}\n')
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
        assert heard.get(timeout=PATIENCE) == ("parked", (3, "why"))
    finally:
        process.close()


def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt that fails is told, and the next one follows."""
    monkeypatch.setattr(drain_process, "AGAIN", 0.01)
    heard = Heard()
    process = DrainProcess(heard, pytest.fail, ("/there/is/no/such/program",))
    process.start()
    try:
        for _ in range(2):
            what, why = heard.get(timeout=PATIENCE)
            assert what == "away"
            assert "FileNotFoundError" in str(why)
    finally:
        process.close()


def test_a_fault_that_stays_is_handed_on() -> None:
    """The control: what the child gives up for ends the role."""
    failed: queue.Queue[Exception] = queue.Queue()
    speaking = """print('{"what":"failed","given":["migrate first"]}', flush=True)"""
    process = DrainProcess(Heard(), failed.put, (sys.executable, "-c", speaking))
    process.start()
    try:
        assert str(failed.get(timeout=PATIENCE)) == "migrate first"
    finally:
        process.close()
