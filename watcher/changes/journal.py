"""What the watcher remembers in its own PostgreSQL schema, kept up in the background.

The loop must not wait for PostgreSQL: it reads the journal once at the start, and hands over what is new. A worker
writes that down as soon as PostgreSQL lets it, and looks every so often whether PostgreSQL is still the same one.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol, Self

from watcher.changes.beats import Beats
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import TemporaryError
from watcher.model.extent import Extent
from watcher.model.farthest import Farthest
from watcher.model.postgres_look import PostgresLook
from watcher.model.stream import Partition
from watcher.model.table_pause import TablePause
from watcher.runtime.worker import Signal, Task

LOOK_SECONDS: Final = 10.0
"""Seconds between two looks at PostgreSQL. Longer: LSNs that fell are noticed later; shorter: more connections."""


class JournalStore(Protocol):
    """The watcher's own schema."""

    def load(self) -> tuple[int, dict[Partition, str], dict[ReconcileNeeded, Extent], dict[str, TablePause]]:
        """Return PostgreSQL's history, topic ids of the partitions that the group has read, needs, and paused tables.

        Raises:
            HistoryChangedError: log positions may have fallen since the number was given.
            TemporaryError: PostgreSQL is away.
        """
        ...

    def save(
        self, seen: dict[Partition, str], needed: dict[ReconcileNeeded, Extent], farthest: Farthest | None = None
    ) -> PostgresLook:
        """Write down what is new, if anything is, and look whether PostgreSQL is still the same one.

        Args:
            seen: topic ids of partitions that the group has begun to read.
            needed: tables whose counts only a comparison can tell, and where that was found since the last time.
            farthest: how far the stream is known to have been; a beat is written then. None: no beats are wanted.

        Returns:
            What there is now; a person may have settled some of the needs.

        Raises:
            HistoryChangedError: log positions may have fallen. What is new is written down.
            TemporaryError: PostgreSQL is away.
        """
        ...


class Journal(Task):
    """The journal in memory, and the task that writes it down.

    Args:
        store: the watcher's own schema.
        history: number of PostgreSQL's history, as found at the start.
        seen: what the store held at the start.
        reconcile: likewise.
        paused: likewise, the tables whose changes are to wait.
        away: told when PostgreSQL does not take what is new; the worker tries again.
        needs: told, at every look, which needs of a comparison there are; a person may have settled some.
        beats: which beats came, and which were written; None: none are wanted.
    """

    def __init__(
        self,
        store: JournalStore,
        history: int,
        seen: dict[Partition, str],
        reconcile: dict[ReconcileNeeded, Extent],
        paused: Mapping[str, TablePause],
        *,
        away: Callable[[TemporaryError], None],
        needs: Callable[[Collection[ReconcileNeeded]], None],
        beats: Beats | None = None,
    ) -> None:
        self._beats = beats
        self.signal = Signal()
        self._store, self._away, self._needs = store, away, needs
        self.history = history
        self._seen, self._reconcile = dict(seen), dict(reconcile)
        self.paused = paused
        """Tables whose changes are to wait, as of the last look; another one has another object."""
        self._new: dict[Partition, str] = {}
        self._noted: dict[ReconcileNeeded, Extent] = {}
        self._lock = threading.Lock()
        self.failure: Exception | None = None
        """A reason to stop, found by the worker; the loop looks at it each turn."""

    @classmethod
    def load(
        cls,
        store: JournalStore,
        away: Callable[[TemporaryError], None],
        needs: Callable[[Collection[ReconcileNeeded]], None],
        beats: Beats | None = None,
    ) -> Self:
        """Read what the store holds.

        Args:
            store: the watcher's own schema.
            away: told later, when PostgreSQL does not take what is new.
            needs: told later, which needs of a comparison there are.
            beats: told later, which beats were written.

        Raises:
            HistoryChangedError: log positions may have fallen since the watcher last ran.
            TemporaryError: PostgreSQL is away.
        """
        return cls(store, *store.load(), away=away, needs=needs, beats=beats)

    @property
    def reconcile(self) -> dict[ReconcileNeeded, Extent]:
        """Return the tables whose counts only a comparison can tell, and where that was found."""
        with self._lock:
            return dict(self._reconcile)

    def seen(self, partition: Partition) -> str | None:
        """Return the id that the topic had when the group first read the partition; None if it never did."""
        return self._seen.get(partition)

    def remember(self, partition: Partition, topic_id: str) -> None:
        """Note that the group reads the partition of the topic with this id."""
        if self._seen.get(partition) != topic_id:
            self._seen[partition] = topic_id
            with self._lock:
                self._new[partition] = topic_id
            self.signal.wake()

    def note(self, needed: Mapping[ReconcileNeeded, Extent]) -> set[ReconcileNeeded]:
        """Note tables whose counts only a comparison can tell; return those that were not noted before.

        A need that is noted already is written down at the next look: it may come with every poll, and moves its last
        place alone.
        """
        with self._lock:
            fresh = needed.keys() - self._reconcile
            _add(self._reconcile, needed)
            _add(self._noted, needed)
        if fresh:
            self.signal.wake()
        return fresh

    def turn(self) -> float:
        """Write down what is new, and look whether PostgreSQL is still the same one.

        Returns:
            Seconds until it is looked at again, should nothing new come.

        Raises:
            TemporaryError: PostgreSQL is away; what was new still is.
        """
        self._write_down(self._beats.farthest() if self._beats else None)
        return LOOK_SECONDS

    def away(self, error: TemporaryError) -> None:
        """Tell that PostgreSQL is away."""
        self._away(error)

    def end(self) -> None:
        """Write down what is left.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        self._write_down()

    def _write_down(self, farthest: Farthest | None = None) -> None:
        with self._lock:
            new, self._new = self._new, {}
            noted, self._noted = self._noted, {}
        try:
            look = self._store.save(new, noted, farthest)
        except TemporaryError:
            self._put_back(new, noted)
            raise
        except Exception as error:  # noqa: BLE001 - handed to the loop, which stops the daemon
            self._put_back(new, noted)  # the end tries once more: no later start would note it again
            self.failure = error
        else:
            # Who has compared a table deletes its row; what comes after that is a new need, and is to be noted again.
            with self._lock:
                self._reconcile = dict(look.needs)
                _add(self._reconcile, self._noted)
            if look.paused != self.paused:
                self.paused = look.paused
            self._needs(self.reconcile)
            if self._beats and farthest:
                self.note(self._beats.looked(look))

    def _put_back(self, new: dict[Partition, str], noted: dict[ReconcileNeeded, Extent]) -> None:
        with self._lock:
            self._new = {**new, **self._new}
            _add(noted, self._noted)
            self._noted = noted


def _add(known: dict[ReconcileNeeded, Extent], later: Mapping[ReconcileNeeded, Extent]) -> None:
    """Add what was found later to what is known."""
    for need, extent in later.items():
        known[need] = known[need].then(extent) if need in known else extent
