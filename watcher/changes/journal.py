"""What the watcher remembers in its own PostgreSQL schema, kept up in the background.

The loop must not wait for PostgreSQL: it reads the journal once at the start, and hands over what is new. A thread
writes that down as soon as PostgreSQL lets it, and looks every so often whether PostgreSQL is still the same one.
"""

import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol, Self, TypeVar

from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.stream import Partition

T = TypeVar("T")

INTERVAL = 10.0
"""Seconds between two looks. Longer: LSNs that fell are noticed later; shorter: more connections."""
RETRY = 1.0


class JournalStore(Protocol):
    """The watcher's own schema."""

    def check_history(self) -> int:
        """Number of PostgreSQL's history.

        Raises:
            HistoryChangedError: log positions may have fallen.
            TemporaryError: PostgreSQL is away.
        """
        ...

    def seen(self) -> dict[Partition, str]:
        """Topic ids of the partitions that the group has read.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        ...

    def remember(self, partitions: dict[Partition, str]) -> None:
        """The group has read these partitions.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        ...

    def reconcile_needed(self) -> set[ReconcileNeeded]:
        """Tables whose counts only a comparison can tell.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        ...

    def note_reconcile(self, needed: set[ReconcileNeeded]) -> None:
        """Only a comparison can tell these tables' counts.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        ...


class Journal:
    """The journal in memory, and the thread that writes it down.

    Args:
        store: the watcher's own schema.
        history: number of PostgreSQL's history, as found at the start.
        seen: what the store held at the start.
        reconcile: likewise.
        away: told when PostgreSQL does not take what is new; the thread tries again.
        needs: told, at every look, which needs of a comparison there are; a person may have settled some.
    """

    def __init__(
        self,
        store: JournalStore,
        history: int,
        seen: dict[Partition, str],
        reconcile: set[ReconcileNeeded],
        *,
        away: Callable[[TemporaryError], None],
        needs: Callable[[Collection[ReconcileNeeded]], None],
    ) -> None:
        self._store, self._away, self._needs = store, away, needs
        self.history = history
        self._seen, self._reconcile = dict(seen), set(reconcile)
        self._new: dict[Partition, str] = {}
        self._noted: set[ReconcileNeeded] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self.failure: Exception | None = None
        """A reason to stop, found by the thread."""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def load(
        cls,
        store: JournalStore,
        away: Callable[[TemporaryError], None],
        needs: Callable[[Collection[ReconcileNeeded]], None],
    ) -> Self:
        """Read what the store holds.

        Args:
            store: the watcher's own schema.
            away: told later, when PostgreSQL does not take what is new.
            needs: told later, which needs of a comparison there are.

        Raises:
            HistoryChangedError: log positions may have fallen since the watcher last ran.
            TemporaryError: PostgreSQL is away.
        """
        return cls(store, store.check_history(), store.seen(), store.reconcile_needed(), away=away, needs=needs)

    @property
    def reconcile(self) -> frozenset[ReconcileNeeded]:
        """Tables whose counts only a comparison can tell."""
        return frozenset(self._reconcile)

    def seen(self, partition: Partition) -> str | None:
        """Id of the topic when the group first read the partition."""
        return self._seen.get(partition)

    def remember(self, partition: Partition, topic_id: str) -> None:
        """The group reads the partition of the topic with this id."""
        if self._seen.get(partition) != topic_id:
            self._seen[partition] = topic_id
            with self._lock:
                self._new[partition] = topic_id
            self._wake.set()

    def note(self, needed: set[ReconcileNeeded]) -> set[ReconcileNeeded]:
        """Only a comparison can tell these tables' counts; returns those that were not known to."""
        with self._lock:
            fresh = needed - self._reconcile
            self._reconcile |= fresh
            self._noted |= fresh
        if fresh:
            self._wake.set()
        return fresh

    def close(self, timeout: float) -> None:
        """Write down what is left, and end the thread."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        wait = 0.0
        while not self._closing:
            self._wake.wait(wait)
            self._wake.clear()
            wait = INTERVAL if self._write_down() else RETRY
        self._write_down()

    def _write_down(self) -> bool:
        with self._lock:
            new, self._new = self._new, {}
            noted, self._noted = self._noted, set()
        try:
            if new:
                self._store.remember(new)
            if noted:
                self._store.note_reconcile(noted)
            self._store.check_history()
            self._look_at_needs()
        except TemporaryError as error:
            self._put_back(new, noted)
            self._away(error)
            return False
        except Exception as error:  # noqa: BLE001 - handed to the loop, which stops the daemon
            self._put_back(new, noted)  # close() tries once more: no later start would note it again
            self.failure = error
        return True

    def _look_at_needs(self) -> None:
        """Who has compared a table deletes its row; what comes after that is a new need, and is to be noted again."""
        there = self._store.reconcile_needed()
        with self._lock:
            self._reconcile = there | self._noted
        self._needs(self.reconcile)

    def _put_back(self, new: dict[Partition, str], noted: set[ReconcileNeeded]) -> None:
        with self._lock:
            self._new = {**new, **self._new}
            self._noted |= noted


def insistently(action: Callable[[], T], away: Callable[[TemporaryError], None], turned: Callable[[], None]) -> T:
    """Do it as often as it takes, before the loop begins."""
    while True:
        turned()
        try:
            return action()
        except TemporaryError as error:
            away(error)
            time.sleep(RETRY)
