"""The verifier's thread: what a round that fails leaves to the next, and what it does all the same."""

import threading
from collections.abc import Callable, Collection

from tests.acceptance.daemon import await_that
from watcher.model.errors import TemporaryError
from watcher.recovery.verifier_thread import VerifierThread


class Rounds:
    """Notes what it is asked to compare; the first crucible cannot be."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.stopped = threading.Event()

    def keep(self, crucible_ids: Collection[int], stopping: Callable[[], bool]) -> None:
        """Fail, once the thread was told to end if it is to wait for that."""
        self.asked.append(list(crucible_ids))
        if 1 in crucible_ids:
            raise TemporaryError("the first one's neighbour is away")
        while not stopping():
            pass
        self.stopped.set()


def test_a_crucible_that_cannot_be_compared_costs_the_others_nothing() -> None:
    """The balance of all is looked at, and the failed ones are tried again without asking PostgreSQL for all."""
    rounds, looked, questions = Rounds(), list[list[int]](), list[int]()
    faults: list[Exception] = []

    def active() -> list[int]:
        questions.append(1)
        return [1, 2]

    thread = VerifierThread(rounds, active, lambda ids: looked.append(list(ids)), 3600.0, faults.append)
    thread.start()
    try:
        await_that(lambda: len(rounds.asked) >= 2, "a second round")
    finally:
        thread.close(5.0)

    assert (looked, len(questions), faults) == ([[1, 2]], 1, [])
    assert rounds.asked[:2] == [[1, 2], [1, 2]]


def test_a_round_under_way_is_told_to_stop() -> None:
    """However many crucibles are left of it."""
    rounds = Rounds()
    thread = VerifierThread(rounds, lambda: [2], lambda _: None, 3600.0, lambda _: None)
    thread.start()
    await_that(lambda: bool(rounds.asked), "a round")
    thread.close(5.0)

    assert rounds.stopped.is_set()
