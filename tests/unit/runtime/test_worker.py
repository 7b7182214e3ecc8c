"""A worker takes turns, is woken, and ends: with threads that are waited for, never slept for."""

import math
import queue
import signal as os_signal
import threading
import time

import pytest

from watcher.model.errors import StopError, TemporaryError
from watcher.runtime.deadline import Deadline
from watcher.runtime.retry import Retry, exactly
from watcher.runtime.worker import Signal, Task, Worker

PATIENCE_SECONDS = 20.0


class Turns(Task):
    """Notes its turns; each returns what it was told to, and the last one goes on being returned."""

    retry = Retry(0.001, 0.001, jitter=exactly)

    def __init__(self, *answers: float | BaseException | None) -> None:
        self.signal = Signal()
        self.answers = list(answers)
        self.taken: queue.Queue[str] = queue.Queue()
        self.told: list[TemporaryError] = []
        self.ended_in: int | None = None

    def turn(self) -> float | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.taken.put(threading.current_thread().name)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def away(self, error: TemporaryError) -> None:
        self.told.append(error)

    def end(self) -> None:
        self.ended_in = threading.get_ident()


def closed(worker: Worker) -> bool:
    return worker.close(Deadline.after(PATIENCE_SECONDS))


def test_turns_follow_each_other_as_they_ask_for() -> None:
    """Twice at once, then not before somebody wakes the worker: then one more."""
    task = Turns(0.0, 0.0, math.inf)
    worker = Worker("counts", task, pytest.fail)
    worker.start()
    names = [task.taken.get(timeout=PATIENCE_SECONDS) for _ in range(3)]
    assert task.taken.empty()

    task.signal.wake()
    names.append(task.taken.get(timeout=PATIENCE_SECONDS))
    assert closed(worker)
    assert names == ["counts"] * 4
    assert task.ended_in is not None


def test_a_call_that_comes_during_a_turn_is_not_lost() -> None:
    """It may be about something that the turn had looked for already."""
    at_work, go_on = threading.Event(), threading.Event()

    class Slow(Turns):
        def turn(self) -> float | None:
            at_work.set()
            assert go_on.wait(PATIENCE_SECONDS)
            return super().turn()

    task = Slow(math.inf)
    worker = Worker("slow", task, pytest.fail)
    worker.start()
    assert at_work.wait(PATIENCE_SECONDS)
    task.signal.wake()
    go_on.set()

    assert [task.taken.get(timeout=PATIENCE_SECONDS) for _ in range(2)] == ["slow"] * 2
    assert closed(worker)


def test_many_calls_are_one_turn() -> None:
    """Whoever wakes need not count, and calls that nobody takes do not pile up."""
    signal = Signal()
    for _ in range(1_000):
        signal.wake()
    signal.wait(PATIENCE_SECONDS)  # the one call

    assert not signal.pause(0.0)
    began = time.monotonic()
    signal.wait(0.05)
    assert time.monotonic() - began >= 0.05


def test_a_neighbour_that_is_away_is_told_and_tried_again() -> None:
    """Until it goes well; nothing has failed for good."""
    errors = TemporaryError("one"), TemporaryError("two")
    task = Turns(*errors, math.inf)
    worker = Worker("patient", task, pytest.fail)
    worker.start()
    for _ in range(3):
        task.taken.get(timeout=PATIENCE_SECONDS)

    assert closed(worker)
    assert task.told == list(errors)


def test_whoever_is_woken_does_not_ask_a_neighbour_that_is_away_more_often() -> None:
    """The wait after a failure is a whole one, however much there is to do."""
    task = Turns(TemporaryError("away"), math.inf)
    task.retry = Retry(0.1, 0.1, jitter=exactly)
    worker = Worker("patient", task, pytest.fail)
    task.signal.wake()
    began = time.monotonic()
    worker.start()
    for _ in range(2):
        task.taken.get(timeout=PATIENCE_SECONDS)

    assert time.monotonic() - began >= 0.1
    assert closed(worker)


@pytest.mark.parametrize("error", [StopError("a right is missing"), SystemExit(3)])
def test_an_error_that_stays_is_handed_to_one_place(error: BaseException) -> None:
    """There is no other turn, and what the thread held is given back."""
    failed: queue.Queue[BaseException] = queue.Queue()
    task = Turns(error)
    worker = Worker("fails", task, failed.put)
    worker.start()

    assert failed.get(timeout=PATIENCE_SECONDS) is error
    assert closed(worker)
    assert (task.taken.qsize(), task.ended_in is not None) == (1, True)


def test_a_task_that_has_done_everything_ends_its_worker() -> None:
    """Nobody asks it to."""
    task = Turns(None)
    worker = Worker("once", task, pytest.fail)
    worker.start()
    worker._thread.join(PATIENCE_SECONDS)

    assert not worker._thread.is_alive()
    assert task.taken.qsize() == 1


def test_one_that_does_not_end_is_left_when_the_deadline_has_passed() -> None:
    """And whoever closes it is told so; one that never began has ended."""
    at_work, go_on = threading.Event(), threading.Event()

    class Stuck(Turns):
        def turn(self) -> float | None:
            at_work.set()
            go_on.wait(PATIENCE_SECONDS)
            return super().turn()

    stuck, fresh = Worker("stuck", Stuck(math.inf), pytest.fail), Worker("fresh", Turns(math.inf), pytest.fail)
    stuck.start()
    assert at_work.wait(PATIENCE_SECONDS)
    began = time.monotonic()

    assert not stuck.close(Deadline.after(0.05))
    assert 0.05 <= time.monotonic() - began < PATIENCE_SECONDS / 2
    assert fresh.close(Deadline.after(0.0))
    go_on.set()
    assert closed(stuck)


def test_a_pause_ends_when_it_is_to_stop_and_not_when_it_is_woken() -> None:
    """So that a neighbour that is away is not asked more often the more there is to do."""
    signal = Signal()
    signal.wake()
    began = time.monotonic()
    assert not signal.pause(0.05)
    assert time.monotonic() - began >= 0.05

    signal.stop()
    assert [signal.pause(PATIENCE_SECONDS * 100) for _ in range(2)] == [True, True]
    signal.wait(math.inf)  # returns


def test_everybody_who_pauses_is_told_to_stop() -> None:
    """However many threads wait on one signal."""
    signal, told = Signal(), queue.Queue[bool]()
    threads = [
        threading.Thread(target=lambda: told.put(signal.pause(PATIENCE_SECONDS * 100)), daemon=True) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    signal.stop()

    assert [told.get(timeout=PATIENCE_SECONDS) for _ in threads] == [True] * 3


def test_a_signal_handler_may_stop_a_worker_whatever_it_has_interrupted() -> None:
    """Also the main thread in the middle of the same call, which an event's lock would not outlive."""
    interrupted: list[Signal] = []
    current = Signal()

    def stop(*_: object) -> None:
        current.wake()
        current.stop()
        interrupted.append(current)

    before = os_signal.signal(os_signal.SIGALRM, stop)
    os_signal.setitimer(os_signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while len(interrupted) < 500:
            current = Signal()
            while not current.stopping:
                current.wake()
                current.clear()
                current.wait(0.0)
                current.pause(0.0)
    finally:
        os_signal.setitimer(os_signal.ITIMER_REAL, 0.0)
        os_signal.signal(os_signal.SIGALRM, before)

    assert all(one.pause(PATIENCE_SECONDS * 100) for one in interrupted)
