"""The thread that writes down what the watcher remembers does not end unseen."""

from collections.abc import Collection

import pytest

from tests.awaiting import await_that
from watcher.changes.journal import LOOK_SECONDS, Journal
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent
from watcher.model.farthest import Farthest
from watcher.model.postgres_look import PostgresLook
from watcher.model.stream import Partition
from watcher.model.table_pause import TablePause
from watcher.runtime.deadline import Deadline
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Worker

ONCE = Extent("LSN 0/1", "LSN 0/1")


class Faulty:
    """A store that fails as often as it is told to."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.written: dict[Partition, str] = {}
        self.noted: dict[ReconcileNeeded, Extent] = {}

    def load(self) -> tuple[int, dict[Partition, str], dict[ReconcileNeeded, Extent], dict[str, TablePause]]:
        return 1, {}, dict(self.noted), {}

    def save(
        self, seen: dict[Partition, str], needed: dict[ReconcileNeeded, Extent], _farthest: Farthest | None = None
    ) -> PostgresLook:
        if self.faults:
            raise self.faults.pop()
        self.written |= seen
        self.noted |= needed
        return PostgresLook(dict(self.noted))


def test_an_error_that_nobody_foresaw_is_handed_on() -> None:
    """The loop finds it and stops; what was to be written is tried once more at the end."""
    fault, need = ValueError("no topic id"), ReconcileNeeded("CrucibleEntry", "truncate")
    store, away = Faulty(fault), list[TemporaryError]()
    journal = Journal.load(store, away.append, lambda _: None)
    journal.note({need: ONCE})
    journal.remember(("t", 0), "id")

    journal.turn()
    assert journal.failure is fault
    assert (store.written, store.noted) == ({}, {})
    journal.end()
    assert store.written == {("t", 0): "id"}
    assert store.noted == {need: ONCE}
    assert away == []


def test_who_is_away_is_told_and_tried_again() -> None:
    """The control: waiting is no failure, and nothing is lost by it."""
    fault = TemporaryError("postgres is away")
    store, away = Faulty(fault), list[TemporaryError]()
    journal = Journal.load(store, away.append, lambda _: None)
    journal.retry = Retry(0.001, 0.001)
    journal.remember(("t", 0), "id")

    worker = Worker("journal", journal, pytest.fail)
    worker.start()
    await_that(lambda: store.written == {("t", 0): "id"}, "the second try")
    assert worker.close(Deadline.after(5.0))
    assert away == [fault]
    assert journal.failure is None


def test_what_is_new_wakes_whoever_writes_it_down_and_what_is_known_does_not() -> None:
    """A journal that has nothing to write looks at PostgreSQL in its time, not more often."""
    need = ReconcileNeeded("CrucibleEntry", "truncate")
    journal = Journal.load(Faulty(), pytest.fail, lambda _: None)
    woken = []
    for call in (
        lambda: journal.remember(("t", 0), "id"),
        lambda: journal.remember(("t", 0), "id"),
        lambda: journal.note({need: ONCE}),
        lambda: journal.note({need: ONCE}),
    ):
        call()
        woken.append(not journal.signal._wakes.empty())
        journal.signal.clear()

    assert woken == [True, False, True, False]
    assert journal.turn() == LOOK_SECONDS


def test_a_need_that_comes_again_after_it_was_settled_is_noted_again() -> None:
    """Who has compared the table deletes its row, while we run; what comes then is another need."""
    need, told = ReconcileNeeded("CrucibleEntry", "truncate"), list[Collection[ReconcileNeeded]]()
    store = Faulty()
    journal = Journal.load(store, lambda _: None, told.append)
    assert journal.note({need: ONCE}) == {need}
    journal.turn()
    assert (store.noted, journal.note({need: ONCE})) == ({need: ONCE}, set())

    journal.turn()
    store.noted.clear()
    journal.turn()
    assert (journal.reconcile, told[-1]) == ({}, {})
    assert journal.note({need: ONCE}) == {need}
    journal.end()
    assert store.noted.keys() == {need}
