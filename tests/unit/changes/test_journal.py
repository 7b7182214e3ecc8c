"""The thread that writes down what the watcher remembers does not end unseen."""

from collections.abc import Collection

import pytest

from tests.stack.watching import await_that
from watcher.changes import journal as journals
from watcher.changes.journal import Journal
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.stream import Partition


class Faulty:
    """A store that fails as often as it is told to."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.written: dict[Partition, str] = {}
        self.noted: set[ReconcileNeeded] = set()

    def check_history(self) -> int:
        return 1

    def seen(self) -> dict[Partition, str]:
        return {}

    def remember(self, partitions: dict[Partition, str]) -> None:
        if self.faults:
            raise self.faults.pop()
        self.written |= partitions

    def reconcile_needed(self) -> set[ReconcileNeeded]:
        return set(self.noted)

    def note_reconcile(self, needed: set[ReconcileNeeded]) -> None:
        self.noted |= needed


def test_an_error_that_nobody_foresaw_is_handed_on() -> None:
    """The loop finds it and stops; what was to be written is tried once more at the end."""
    fault, need = ValueError("no topic id"), ReconcileNeeded("CrucibleEntry", "truncate")
    store, away = Faulty(fault), list[TemporaryError]()
    journal = Journal.load(store, away.append, lambda _: None)
    journal.note({need})
    journal.remember(("t", 0), "id")

    await_that(lambda: journal.failure is not None, "the failure")
    assert journal.failure is fault
    assert away == []
    journal.close(5.0)
    assert store.written == {("t", 0): "id"}
    assert store.noted == {need}


def test_who_is_away_is_told_and_tried_again() -> None:
    """The control: waiting is no failure."""
    fault = TemporaryError("postgres is away")
    store, away = Faulty(fault), list[TemporaryError]()
    journal = Journal.load(store, away.append, lambda _: None)
    journal.remember(("t", 0), "id")

    await_that(lambda: store.written == {("t", 0): "id"}, "the second try")
    journal.close(5.0)
    assert away == [fault]
    assert journal.failure is None


def test_a_need_that_comes_again_after_it_was_settled_is_noted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has compared the table deletes its row, while we run; what comes then is another need."""
    monkeypatch.setattr(journals, "INTERVAL", 0.01)
    need, told = ReconcileNeeded("CrucibleEntry", "truncate"), list[Collection[ReconcileNeeded]]()
    store = Faulty()
    journal = Journal.load(store, lambda _: None, told.append)
    assert journal.note({need}) == {need}
    await_that(lambda: store.noted == {need}, "the note")
    assert journal.note({need}) == set()

    store.noted.clear()
    await_that(lambda: not journal.reconcile, "a look at what is left")
    assert told[-1] == frozenset()
    assert journal.note({need}) == {need}
    journal.close(5.0)
    assert store.noted == {need}
