"""A process ends in one order and under one deadline, however slow its parts are."""

import math
import os
import signal as os_signal
import threading

import pytest

from watcher.model.errors import RefusedError, StopError
from watcher.runtime.deadline import Deadline
from watcher.runtime.shutdown import Shutdown
from watcher.runtime.worker import Signal, Task, Worker

PATIENCE_SECONDS = 20.0


class Story:
    """What happened, in its order, on a clock that only moves when somebody takes time."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.happened: list[str] = []

    def clock(self) -> float:
        return self.now

    def note(self, what: str) -> None:
        self.happened.append(what)


class Slow:
    """A worker that needs so many seconds to end."""

    def __init__(self, story: Story, name: str, needs: float) -> None:
        self.story, self.name, self.needs = story, name, needs
        self.given: float | None = None
        self.asked = 0
        self.refused: RefusedError | None = None

    def start(self) -> None:
        self.story.note(f"{self.name} starts")

    def stop(self) -> None:
        self.asked += 1
        if self.asked == 1:
            self.story.note(f"{self.name} is asked")

    def close(self, deadline: Deadline) -> bool:
        self.given = deadline.remaining()
        self.story.now += min(self.needs, self.given)
        self.story.note(f"{self.name} is waited for")
        return self.needs <= self.given


def test_workers_that_neighbours_refuse_are_named() -> None:
    """Each with what it was told, for as long as that lasts."""
    story = Story()
    asks, rests = Slow(story, "asks", 0.0), Slow(story, "rests", 0.0)
    with Shutdown(10.0, story.clock) as shutdown:
        shutdown.run(rests)
        shutdown.run(asks)
        shutdown.run(too := Slow(story, "too", 0.0))
        shutdown.ping()
        asks.refused = RefusedError("postgres: permission denied")
        with pytest.raises(RefusedError, match=r"^asks: postgres: permission denied$"):
            shutdown.ping()
        too.refused = RefusedError("postgres: permission denied")
        with pytest.raises(RefusedError, match=r"^asks, too: postgres: permission denied$"):
            shutdown.ping()
        asks.refused = too.refused = None
        shutdown.ping()


def test_the_order() -> None:
    """Stop taking, finish what is under way, workers, connections; last come, first gone in each of the last two."""
    story = Story()
    with Shutdown(10.0, story.clock) as shutdown:
        shutdown.on_end(lambda: story.note("redis is closed"))
        shutdown.on_end(lambda: story.note("clickhouse is closed"))
        shutdown.run(Slow(story, "writer", 1.0), until_finished=True)
        shutdown.run(Slow(story, "drain", 1.0))
        shutdown.on_begin(lambda: story.note("the loop takes no more"))
        story.happened.clear()

        shutdown.begin()
        story.note("the rest is written")

    assert story.happened == [
        "drain is asked",
        "the loop takes no more",
        "the rest is written",
        "writer is asked",
        "drain is waited for",
        "writer is waited for",
        "clickhouse is closed",
        "redis is closed",
    ]


@pytest.mark.parametrize(
    ("finishing", "needs", "given", "seconds"),
    [
        (0.0, [1.0, 2.0, 3.0], [10.0, 9.0, 7.0], 6.0),  # all end in time, and nobody waits any longer
        (4.0, [1.0, 9.0, 1.0], [6.0, 5.0, 0.0], 10.0),  # one takes all that is left, the next one has nothing
        (10.0, [5.0, 5.0, 5.0], [0.0, 0.0, 0.0], 10.0),  # finishing took everything
        (12.0, [5.0, 0.0, 5.0], [0.0, 0.0, 0.0], 12.0),  # and more
    ],
    ids=["in time", "a slow one", "slow finishing", "too slow finishing"],
)
def test_nobody_gets_more_than_what_is_left(
    finishing: float, needs: list[float], given: list[float], seconds: float
) -> None:
    """One deadline of ten seconds, from the beginning of the end; seconds are never added up."""
    story = Story()
    workers = [Slow(story, f"worker {number}", need) for number, need in enumerate(needs)]
    closed: list[float] = []
    with Shutdown(10.0, story.clock) as shutdown:
        shutdown.on_end(lambda: closed.append(story.now - 1_500.0))
        for worker in reversed(workers):  # the last one is waited for first
            shutdown.run(worker)
        story.now = 1_500.0  # how long it ran before does not matter
        shutdown.begin()
        story.now += finishing

    assert [worker.given for worker in workers] == given
    assert closed == [seconds], "connections are closed at the end, and in any case"


def test_the_deadline_begins_once() -> None:
    """A second signal, or a thread that fails meanwhile, gives nobody more time."""
    story = Story()
    shutdown = Shutdown(10.0, story.clock)
    story.now += 5.0
    assert (shutdown.begun, shutdown.deadline.remaining()) == (False, 10.0)

    shutdown.begin()
    story.now += 4.0
    shutdown.begin()
    shutdown.fail(StopError("late"))

    assert (shutdown.begun, shutdown.deadline.remaining()) == (True, 6.0)


def ended(story: Story, of_the_role: Exception | None, *of_threads: Exception) -> Exception | None:
    """Run a process in which threads fail, and then perhaps the role; returns what it ends with."""
    try:
        with Shutdown(10.0, story.clock) as shutdown:
            shutdown.on_end(lambda: story.note("closed"))
            shutdown.on_begin(lambda: story.note("takes no more"))
            shutdown.run(Slow(story, "writer", 1.0), until_finished=True)
            for error in of_threads:
                shutdown.fail(error)
            if of_the_role is not None:
                raise of_the_role
            story.note("finished")
    except Exception as error:  # noqa: BLE001 - the result
        return error
    return None


def test_a_failure_ends_the_process_in_order_and_is_told_last() -> None:
    """The first one: what failed after it may have failed because of the end."""
    story, first = Story(), StopError("first")

    assert ended(story, None, first, StopError("second")) is first
    assert story.happened == [
        "writer starts", "takes no more", "finished", "writer is asked", "writer is waited for", "closed",
    ]  # fmt: skip


def test_the_role_s_own_error_comes_before_a_thread_s() -> None:
    """Workers are ended and connections closed all the same; nothing is left to finish."""
    story, own = Story(), ValueError("of the role")

    assert ended(story, own, StopError("of a thread")) is own
    assert story.happened == ["writer starts", "takes no more", "writer is asked", "writer is waited for", "closed"]


def test_a_process_that_was_only_asked_to_end_has_nothing_to_tell() -> None:
    """The control."""
    assert ended(Story(), None) is None


def test_whoever_comes_too_late_is_told_at_once() -> None:
    """A thread may fail before the last part is put together."""
    story = Story()
    with Shutdown(10.0, story.clock) as shutdown:
        shutdown.begin()
        shutdown.on_begin(lambda: story.note("takes no more"))
        shutdown.run(Slow(story, "drain", 0.0))
        assert story.happened == ["takes no more", "drain starts", "drain is asked"]
        assert shutdown.pause(PATIENCE_SECONDS * 100)


def test_real_threads_end_by_a_real_signal() -> None:
    """One that waits, one in the middle of a turn, one that never comes back: as a process would."""
    at_work, stuck, never = threading.Event(), threading.Event(), threading.Event()

    class Waits(Task):
        def __init__(self) -> None:
            self.signal = Signal()
            self.ended = False

        def turn(self) -> float | None:
            return math.inf

        def end(self) -> None:
            self.ended = True

    class Works(Waits):
        def turn(self) -> float | None:
            at_work.set()
            while not self.signal.pause(0.001):
                pass
            return 0.0

    class Stuck(Waits):
        def turn(self) -> float | None:
            stuck.set()
            never.wait(PATIENCE_SECONDS)
            return 0.0

    tasks = Waits(), Works(), Stuck()
    order: list[str] = []
    before = os_signal.getsignal(os_signal.SIGTERM)
    try:
        with Shutdown(1.0) as shutdown:
            os_signal.signal(os_signal.SIGTERM, lambda *_: shutdown.begin())
            for task in tasks:
                shutdown.run(Worker(type(task).__name__, task, pytest.fail))
            shutdown.on_end(lambda: order.append(f"closed after {[task.ended for task in tasks]}"))
            assert at_work.wait(PATIENCE_SECONDS)
            assert stuck.wait(PATIENCE_SECONDS)
            os.kill(os.getpid(), os_signal.SIGTERM)
            assert shutdown.pause(PATIENCE_SECONDS)
            order.append("finished")
    finally:
        os_signal.signal(os_signal.SIGTERM, before)
        never.set()

    assert order == ["finished", "closed after [True, True, False]"]
