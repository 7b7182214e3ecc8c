"""A process that waits to be told to end is told, whichever of its threads the signal goes to."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from stack.ending import EndSignal
from tests.stack.watching import REPOSITORY

# Its main thread lets no signal through, as the kernel passes over one that it has just woken from standing still.
WAITING = """
import signal, sys, threading
from stack.ending import EndSignal

class Event(threading.Event):
    def __init__(self):
        super().__init__()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.set())

ending = {"ending": EndSignal, "event": Event}[sys.argv[1]]()
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
print("waiting", flush=True)
print(ending.wait(), flush=True)
"""


def told(how: str, number: signal.Signals) -> str:
    """What a process says that was sent a signal while it waited; nothing if it did not notice within two seconds."""
    command = [sys.executable, "-c", WAITING, how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == "waiting\n"
            program.send_signal(number)
            said, _ = program.communicate(timeout=2 if how == "event" else 60)
        except subprocess.TimeoutExpired:
            return ""
        finally:
            program.kill()
    return said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_through_another_thread(number: signal.Signals) -> None:
    """The main thread wakes though the signal was not its own."""
    assert told("ending", number) == "True\n"


def test_an_event_set_by_a_handler_is_not_enough() -> None:
    """The control: the same signal, and nothing wakes; it may come before the wait has begun, hence several tries."""
    assert any(told("event", signal.SIGTERM) == "" for _ in range(10))


def test_told_by_a_thread() -> None:
    """Asked once it is asked for good; before that a wait comes to its end."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ending = EndSignal()
        assert not ending.wait(0.001)
        asking = threading.Thread(target=ending.ask)
        asking.start()
        assert ending.wait()
        asking.join()
        assert ending.wait(0)
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
