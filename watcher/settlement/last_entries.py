"""Decides the entries of a crucible that ends: the last ones, those that still wait, and after a cancel all.

The same decisions as while a crucible is active, under the same locks, so it does not matter whether the role that
follows the changes has come first.
"""

from collections.abc import Iterable, Iterator, Sequence

from watcher.entries.decider import PAGE_ENTRIES, Decider
from watcher.model.decided_by import ALL_ENTRIES
from watcher.postgres.own import entries_to_decide, settlement
from watcher.postgres.session import Session


class LastEntries:
    """Decides the entries of one crucible, however many, page by page.

    Args:
        decider: decides.
    """

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def decide(self, session: Session, crucible_id: int) -> None:
        """Decide entries about which nothing was decided, and withdraw those whose row is gone."""
        while self._decider.take_back(session, crucible_id) is not None:
            pass
        while gone := entries_to_decide.vanished_of(session, [crucible_id], PAGE_ENTRIES):
            if not self._decider.decide(session, [], gone=gone):
                break
        self._decide(session, settlement.undecided_entries(session, crucible_id, PAGE_ENTRIES), again=False)

    def let_go(self, session: Session, crucible_id: int) -> None:
        """Decide entries that still wait, now that the crucible is over: nobody waits any more."""
        self.decide(session, crucible_id)
        self._decide(session, [entries_to_decide.waiting_entries(session, [crucible_id])], again=True)

    def send_home(self, session: Session, crucible_id: int) -> None:
        """Decide all entries again, now that the crucible is cancelled or gone: nobody takes part any more."""
        self.decide(session, crucible_id)
        self._decide(
            session, entries_to_decide.decided_entries(session, {crucible_id: ALL_ENTRIES}, PAGE_ENTRIES), again=True
        )

    def _decide(self, session: Session, lists: Iterable[Sequence[int]], *, again: bool) -> None:
        for entries in lists:
            for page in _pages(entries):
                self._decider.decide(session, page, again=again)


def _pages(entries: Sequence[int]) -> Iterator[Sequence[int]]:
    return (entries[first : first + PAGE_ENTRIES] for first in range(0, len(entries), PAGE_ENTRIES))
