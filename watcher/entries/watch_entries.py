"""Sees to it that every entry of an active crucible has the verdict that the rules give it.

Nothing depends on a message being seen: sweeps find entries without a verdict, images whose scan is there, rules that
were changed, and rows that are gone. What the change stream shows only makes it faster.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from watcher.entries.decider import PAGE_ENTRIES, Decider
from watcher.entries.touched_rows import RowIds, TouchedRows
from watcher.model.decided_by import ALL_ENTRIES, DecidedBy, Entered
from watcher.model.entry_decision import Decision
from watcher.model.entry_rules import COMPLETED
from watcher.model.entry_verdict import EntryReason, VerdictState
from watcher.model.errors import TemporaryError
from watcher.model.row_state import RowStates
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import entries_to_decide, entry_facts, entry_verdict
from watcher.postgres.own.entries_to_decide import GONE, CrucibleToDecide
from watcher.postgres.session import Session
from watcher.runtime.retry import Retry
from watcher.runtime.worker import Signal

UNHURRIED_SECONDS: Final = 1.0
"""Seconds from one look at what nobody waits for to the next; what comes alone is looked at at once. Whoever enters is
decided by the rules of that moment. Longer: fewer questions; changed rules hold later for those who are in."""
CATCHING_UP_SECONDS: Final = 0.15
"""Seconds in which more is gathered where much has come at once. Longer: more of it is left to one sweep, which is
cheaper; what came is votable later."""
RIPE_SECONDS: Final = 5.0
"""Seconds between two looks whether entries need not wait any more."""
SWEEP_CRUCIBLES: Final = 200
"""Crucibles whose entries one statement of a sweep looks through. More: fewer statements, each longer."""
SWEEP_ENTRIES: Final = 50_000
"""Entries that one statement of a sweep looks through: some tenths of a second."""

BY_NONE: Final = DecidedBy(GONE, 0, 0, 0)
"""The rules that are remembered of a crucible that was deleted."""


class VerdictObserver(Protocol):
    """Hears what was decided."""

    def decided(self, state: VerdictState, reasons: Iterable[EntryReason], entries: int) -> None:
        """Hear how many entries have got a verdict that is another than before."""
        ...

    def admitted(self, entries: Sequence[tuple[int, int, int]]) -> None:
        """Hear which entries take part from now on: crucible, entry, image of each."""
        ...

    def waiting(self, entries: int, oldest_seconds: float) -> None:
        """Hear how many entries wait, and for how long the oldest has."""
        ...

    def away(self, error: TemporaryError) -> None:
        """Hear that a neighbour is away."""
        ...


class WatchEntries:
    """Decides entries as they come and change: a task for a worker of the watch role.

    Args:
        open_session: connects to PostgreSQL.
        decider: decides.
        observer: hears what was decided.
        sweep_seconds: between two looks at all entries of all active crucibles.
        unhurried_seconds: between two looks at what nobody waits for.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        open_session: Callable[[], AbstractContextManager[Session]],
        decider: Decider,
        observer: VerdictObserver,
        sweep_seconds: float,
        *,
        unhurried_seconds: float = UNHURRIED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signal, self.retry = Signal(), Retry(1.0, 10.0)
        self._session, self._decider, self._observer = KeptSession(open_session), decider, observer
        self._sweep_seconds, self._unhurried_seconds, self._clock = sweep_seconds, unhurried_seconds, clock
        self._told = TouchedRows()
        self._ripe_at = self._sweep_at = self._unhurried_at = 0.0
        self._changed = set[int]()
        """Crucibles that are others than before, and not looked at yet."""
        self._left = False
        """Entries are gone, and what was paid for them without a verdict was not looked at yet."""

    def shown(self, states: RowStates) -> None:
        """Take note of rows that have come, gone or changed, of entries and of their crucibles; return at once."""
        if self._told.add(states):
            self.signal.wake()

    def turn(self) -> float:
        """Decide what is there to decide; return the seconds until there may be more."""
        if self._told.are_many:
            self.signal.pause(CATCHING_UP_SECONDS)
        self.signal.clear()
        now, told = self._clock(), self._told.take()
        with self._session.kept() as session:
            if told is None or now >= self._sweep_at:
                self._sweep(session)
                self._changed = set()
                self._sweep_at = self._clock() + self._sweep_seconds
            else:
                self._look(session, told)
            if (self._changed or self._left) and now >= self._unhurried_at:
                self._look_unhurried(session)
                self._unhurried_at = self._clock() + self._unhurried_seconds
            if now >= self._ripe_at:
                self._take_back(session)
                self._decide(session, entries_to_decide.ripe_entries(session), again=True)
                self._observer.waiting(*entry_verdict.waiting_age(session))
                self._ripe_at = self._clock() + RIPE_SECONDS
        unhurried_at = self._unhurried_at if self._changed or self._left else math.inf
        return max(0.0, min(self._ripe_at, self._sweep_at, unhurried_at) - self._clock())

    def away(self, error: TemporaryError) -> None:
        """Tell that a neighbour is away; what was to be decided is found by a sweep."""
        self._sweep_at = 0.0
        self._observer.away(error)

    def end(self) -> None:
        """Close the connection to PostgreSQL."""
        self._session.drop()

    def _look(self, session: Session, told: RowIds) -> None:
        """Decide what was told of, and remember what can wait."""
        self._changed |= told.crucibles
        self._left = self._left or bool(told.gone)
        self._decide(session, sorted(told.entries), gone=sorted(told.gone))

    def _look_unhurried(self, session: Session) -> None:
        """Follow rules that were changed, and have what was paid for rows that are gone go back."""
        if self._left:
            self._take_back(session)
        if self._changed:
            self._follow_rules(session, entries_to_decide.crucibles_to_decide(session, self._changed))
        self._changed, self._left = set(), False

    def _sweep(self, session: Session) -> None:
        """Decide everything about which something is new, whoever told of it or did not."""
        crucibles = entries_to_decide.crucibles_to_decide(session)
        for some in batched([one.crucible_id for one in crucibles], SWEEP_CRUCIBLES):
            self._withdraw_vanished(session, some)
            for entries in entries_to_decide.changed_entries(session, some, SWEEP_ENTRIES):
                self._decide(session, entries)
        self._follow_rules(session, crucibles)

    def _follow_rules(self, session: Session, crucibles: Sequence[CrucibleToDecide]) -> None:
        """Decide entries again whose crucibles say something else than when they were decided."""
        suspects = [one.crucible_id for one in crucibles if self._affected(one) is not None]
        for some in batched(suspects, SWEEP_CRUCIBLES):
            self._decide_by_new_rules(session, some)

    def _decide_by_new_rules(self, session: Session, crucible_ids: Sequence[int]) -> None:
        # Whoever has read the old rules writes what they came to before we list what has a verdict, and before we read
        # which rules that was decided by; who comes later reads rules as new as ours.
        entry_facts.await_others(session, crucible_ids)
        crucibles = entries_to_decide.crucibles_to_decide(session, crucible_ids)
        affected = {one.crucible_id: made for one in crucibles if (made := self._affected(one)) is not None}
        changed = [one for one in crucibles if one.crucible_id in affected]
        # Killed before the end, or somebody else decides by other rules meanwhile: then they stay suspects.
        entries_to_decide.begin_crucibles(
            session,
            {
                one.crucible_id: self._decided_by_now(one).digest
                for one in changed
                if affected[one.crucible_id] == ALL_ENTRIES
            },
        )
        # Who takes part in a result is settled; but nobody waits for it any more.
        over = [one.crucible_id for one in changed if one.status == COMPLETED]
        gone = [one.crucible_id for one in changed if one.rules is None]
        others = {one: affected[one] for one in (one.crucible_id for one in changed) if one not in {*over, *gone}}
        if over:
            self._decide(session, entries_to_decide.waiting_entries(session, over), again=True)
        if gone:
            self._withdraw_vanished(session, gone)
        if others:
            for entries in entries_to_decide.decided_entries(session, others, PAGE_ENTRIES):
                self._decide(session, entries, again=True)
        if changed and not self.signal.stopping:
            notes = {one.crucible_id: (one.decided_by, self._decided_by_now(one)) for one in changed}
            entries_to_decide.note_crucibles(session, notes)

    def _withdraw_vanished(self, session: Session, crucible_ids: Sequence[int]) -> None:
        while gone := entries_to_decide.vanished_of(session, crucible_ids, PAGE_ENTRIES):
            if not self._decide(session, [], gone=gone):
                break

    def _affected(self, one: CrucibleToDecide) -> Entered | None:
        """Return the entries of a crucible that its rules as they are may decide otherwise; None: none."""
        now = self._decided_by_now(one)
        return ALL_ENTRIES if one.decided_by is None else one.decided_by.affected_by(now)

    def _decided_by_now(self, one: CrucibleToDecide) -> DecidedBy:
        """Return what is remembered of a crucible whose entries were decided by its rules as they are."""
        return BY_NONE if one.rules is None else self._decider.decides_by(one.rules)

    def _decide(
        self, session: Session, entries: Sequence[int], *, gone: Sequence[int] = (), again: bool = False
    ) -> int:
        """Decide entries page by page; return how many verdicts that changed."""
        changed = 0
        for first in range(0, max(len(entries), len(gone)), PAGE_ENTRIES):
            if self.signal.stopping:
                break
            page = slice(first, first + PAGE_ENTRIES)
            decisions = self._decider.decide(session, entries[page], gone=gone[page], again=again)
            self._tell(decisions)
            changed += len(decisions)
        return changed

    def _take_back(self, session: Session) -> None:
        """Have what was paid for rows that are gone go back, page by page."""
        while not self.signal.stopping and (decisions := self._decider.take_back(session)) is not None:
            self._tell(decisions)

    def _tell(self, decisions: Sequence[Decision]) -> None:
        alike = Counter((one.verdict.state, one.verdict.reasons) for one in decisions)
        for (state, reasons), times in alike.items():
            self._observer.decided(state, reasons, times)
        entries = [
            (one.candidate.crucible_id, one.candidate.entry_id, one.candidate.image_id)
            for one in decisions
            if one.takes_part
        ]
        if entries:
            self._observer.admitted(entries)


def batched(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yield a sequence in pieces.

    >>> list(batched([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    return (ids[first : first + size] for first in range(0, len(ids), size))
