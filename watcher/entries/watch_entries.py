"""Sees to it that every entry of an active crucible has the verdict that the rules give it.

Nothing depends on a message being seen: sweeps find entries without a verdict, images whose scan is there, rules that
were changed, and rows that are gone. What the change stream shows only makes it faster.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from watcher.entries.decider import Decider
from watcher.model.effects import CrucibleState
from watcher.model.entry_decision import Decision
from watcher.model.entry_rules import COMPLETED
from watcher.model.entry_verdict import EntryReason, VerdictState
from watcher.model.errors import TemporaryError
from watcher.model.row_state import RowStates
from watcher.postgres.own import entry_verdict
from watcher.postgres.session import Session
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal

GATHER_SECONDS: Final = 0.05
"""Seconds in which arrivals are gathered for one question. Longer: fewer questions, later votes on a new entry."""
SCANS_SECONDS: Final = 5.0
"""Seconds between two looks for scans that entries wait for, and for entries that nobody told of."""
MAX_CRUCIBLES: Final = 10_000
"""Crucibles that may wait to be looked at; beyond that everything is."""


class VerdictObserver(Protocol):
    """Hears what was decided."""

    def decided(self, state: VerdictState, reasons: Iterable[EntryReason]) -> None:
        """A verdict was written that is another than before."""
        ...

    def admitted(self, entries: Sequence[tuple[int, int, int]]) -> None:
        """These entries take part from now on: crucible, entry, image of each."""
        ...

    def waiting(self, entries: int, oldest_seconds: float) -> None:
        """So many entries wait."""
        ...

    def away(self, error: TemporaryError) -> None:
        """A neighbour is away."""
        ...


class WatchEntries:
    """A task for a worker of the watch role.

    Args:
        open_session: connects to PostgreSQL, for the length of a block.
        decider: decides.
        observer: hears what was decided.
        sweep_seconds: between two looks at all entries of all active crucibles.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        open_session: Callable[[], AbstractContextManager[Session]],
        decider: Decider,
        observer: VerdictObserver,
        sweep_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signal, self.retry = Signal(), Retry(1.0, 10.0)
        self._open, self._decider, self._observer = open_session, decider, observer
        self._sweep_seconds, self._clock = sweep_seconds, clock
        self._undecided, self._changed = _Inbox(), _Inbox()
        self._scans_at = self._sweep_at = 0.0

    def arrived(self, crucible_ids: Iterable[int]) -> None:
        """Entries of these crucibles have come; returns at once."""
        self._undecided.put(crucible_ids)
        self.signal.wake()

    def changed(self, crucible_ids: Iterable[int]) -> None:
        """Rules of these crucibles, images of their entries, or rows of entries have changed; returns at once."""
        self._changed.put(crucible_ids)
        self.signal.wake()

    def shown(self, states: RowStates) -> None:
        """Take note of rows that have come, gone or changed, of entries and of their crucibles; returns at once."""
        # Verdicts come back as rows as well; to decide because of them would never end.
        own = {crucible for crucible, change in states.items() if change.has(CrucibleState.kind)}
        arrived = [crucible for crucible, change in states.items() if change.entries or crucible in own]
        if arrived:
            self.arrived(arrived)
        changed = [crucible for crucible, change in states.items() if crucible in own or change.any_gone]
        if changed:
            self.changed(changed)

    def turn(self) -> float:
        """Decide what is there to decide; return the seconds until there may be more."""
        self.signal.pause(GATHER_SECONDS)
        now = self._clock()
        with self._open() as session:
            if now >= self._sweep_at:
                self._sweep(session)
                self._sweep_at = self._clock() + self._sweep_seconds
            else:
                self._look(session, scans=now >= self._scans_at)
            if now >= self._scans_at:
                self._scans_at = self._clock() + SCANS_SECONDS
                self._observer.waiting(*entry_verdict.waiting_age(session))
        return max(0.0, min(self._scans_at, self._sweep_at) - self._clock())

    def away(self, error: TemporaryError) -> None:
        """Say that a neighbour is away; what was to be decided is found by a sweep."""
        self._sweep_at = 0.0
        self._observer.away(error)

    def end(self) -> None:
        """Do nothing: connections are opened for a turn."""

    def _look(self, session: Session, *, scans: bool) -> None:
        """Decide what was told of; with the scans, what nobody told of too."""
        undecided, changed = self._undecided.take(), self._changed.take()
        if undecided is None or changed is None:
            self._sweep(session)
            return
        # Under load the same crucibles are told of many times a second, mostly with nothing left to do.
        undecided = entry_verdict.undecided_among(session, undecided)
        changed = entry_verdict.decided_among(session, changed)
        if scans:
            undecided |= set(entry_verdict.crucibles_undecided(session))
            for crucible in self._unless_stopping(entry_verdict.crucibles_scanned(session)):
                self._decide_waiting(session, crucible)
        for crucible in self._unless_stopping(sorted(undecided)):
            self._decide_new(session, crucible)
        for crucible in self._unless_stopping(sorted(changed)):
            self._decide_again(session, crucible)

    def _sweep(self, session: Session) -> None:
        self._undecided.take()
        self._changed.take()
        self._withdraw(session, None)
        for crucible, status in entry_verdict.crucibles_to_decide(session):
            if self.signal.stopping:
                return
            self._decide_new(session, crucible)
            if status == COMPLETED:  # who takes part in the result is settled; nobody waits for it any more
                self._decide_waiting(session, crucible)
            else:
                self._decide_again(session, crucible)
            if not self.signal.stopping:
                entry_verdict.note_crucible(session, crucible, status)

    def _decide_new(self, session: Session, crucible_id: int) -> None:
        while not self.signal.stopping and (decisions := self._decider.undecided(session, crucible_id)):
            self._tell(decisions)

    def _decide_waiting(self, session: Session, crucible_id: int) -> None:
        for decisions in self._decider.waiting(session, crucible_id):
            self._tell(decisions)

    def _decide_again(self, session: Session, crucible_id: int) -> None:
        for decisions in self._decider.decided(session, crucible_id):
            self._tell(decisions)
            if self.signal.stopping:
                return
        self._withdraw(session, crucible_id)

    def _withdraw(self, session: Session, crucible_id: int | None) -> None:
        while not self.signal.stopping and (decisions := self._decider.vanished(session, crucible_id)):
            self._tell(decisions)

    def _unless_stopping(self, crucibles: Iterable[int]) -> Iterator[int]:
        for crucible in crucibles:
            if self.signal.stopping:
                return
            yield crucible

    def _tell(self, decisions: Sequence[Decision]) -> None:
        alike = Counter((one.verdict.state, one.verdict.reasons) for one in decisions)
        for (state, reasons), times in alike.items():
            for _ in range(times):
                self._observer.decided(state, reasons)
        entries = [
            (one.candidate.crucible_id, one.candidate.entry_id, one.candidate.image_id)
            for one in decisions
            if one.takes_part
        ]
        if entries:
            self._observer.admitted(entries)


class _Inbox:
    """Crucibles that somebody told of; forgets them all, and says so, once there are too many."""

    def __init__(self) -> None:
        self._crucibles: set[int] | None = set()

    def put(self, crucible_ids: Iterable[int]) -> None:
        """Add some; called by the change stream's thread."""
        crucibles = self._crucibles
        if crucibles is not None:
            crucibles |= set(crucible_ids)
            if len(crucibles) > MAX_CRUCIBLES:
                self._crucibles = None

    def take(self) -> set[int] | None:
        """Return those that were told of since the last time; None if everything has to be looked at."""
        crucibles, self._crucibles = self._crucibles, set()
        return crucibles
