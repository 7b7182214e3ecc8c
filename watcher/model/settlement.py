"""The life of an ending: its states, which may follow which, and what an ending comes to. Without any I/O.

One row a crucible. Each step is idempotent and may be run by any process; what it came to is written together with the
state that it leads to, if the row is still in the state that it was found in.
"""

from array import array
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

LEASE_SECONDS: Final = 120.0
"""Seconds for which an ending belongs to the process that took it; each step begins it anew. Shorter than a step: two
do it at once, and what the later one does is for nothing. Longer: endings of a process that died wait."""
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
"""Waits after the first failure and after many, each twice the one before."""


class SettlementState(StrEnum):
    """Where the ending of a crucible is; stored as it is spelt here."""

    DUE = "due"
    """The crucible is active; its end is to come, or was not acted upon yet."""
    FROZEN = "frozen"
    """No vote counts any more, and nothing undoes that."""
    DRAINED = "drained"
    """Every vote is in ClickHouse."""
    PROVEN = "proven"
    """The ratings follow from the votes."""
    RANKED = "ranked"
    """Scores, positions, payments and notices are written: the crucible is Completed, and nothing is computed again."""
    PAYING = "paying"
    """Prizes are being paid, and fees of entries that did not get in are going back."""
    ANNOUNCED = "announced"
    """All that is to be paid is paid; the last notices are on their way."""
    DONE = "done"
    REFUNDING = "refunding"
    """The crucible is cancelled or gone: every fee goes back."""
    CANCELLED = "cancelled"
    """Every fee went back."""
    PARKED = "parked"
    """It waits until somebody has looked: see its reason, mend the cause, retry it."""


BEFORE_THE_RESULT: Final = (
    SettlementState.DUE,
    SettlementState.FROZEN,
    SettlementState.DRAINED,
    SettlementState.PROVEN,
)
"""States in which a crucible can still be cancelled."""
FINISHED: Final = (SettlementState.DONE, SettlementState.CANCELLED)
FOLLOWING: Final[Mapping[SettlementState, tuple[SettlementState, ...]]] = {
    SettlementState.DUE: (SettlementState.FROZEN, SettlementState.REFUNDING, SettlementState.PARKED),
    SettlementState.FROZEN: (SettlementState.DRAINED, SettlementState.REFUNDING, SettlementState.PARKED),
    SettlementState.DRAINED: (SettlementState.PROVEN, SettlementState.REFUNDING, SettlementState.PARKED),
    SettlementState.PROVEN: (SettlementState.RANKED, SettlementState.REFUNDING, SettlementState.PARKED),
    SettlementState.RANKED: (SettlementState.PAYING, SettlementState.PARKED),
    SettlementState.PAYING: (SettlementState.ANNOUNCED, SettlementState.PARKED),
    SettlementState.ANNOUNCED: (SettlementState.DONE, SettlementState.PARKED),
    SettlementState.REFUNDING: (SettlementState.CANCELLED, SettlementState.PARKED),
    SettlementState.DONE: (),
    SettlementState.CANCELLED: (),
    SettlementState.PARKED: (
        SettlementState.DUE, SettlementState.FROZEN, SettlementState.DRAINED, SettlementState.PROVEN,
        SettlementState.RANKED, SettlementState.PAYING, SettlementState.ANNOUNCED, SettlementState.REFUNDING,
    ),
}  # fmt: skip
"""What may follow each state. From ``parked`` a row goes back to the state that it came from, or is cancelled."""


class CrucibleNow(msgspec.Struct, frozen=True):
    """What decides how an ending goes on, as the crucible's row says it now."""

    status: str
    is_over: bool
    """Its end has come, by the database's clock."""


class Action(StrEnum):
    """What is to be done next."""

    WAIT = "wait"
    """Nothing: its end is to come."""
    FREEZE = "freeze"
    """Have no vote count any more."""
    DRAIN = "drain"
    """Bring all votes to ClickHouse."""
    PROVE = "prove"
    """Compare ratings with what the votes give."""
    RANK = "rank"
    """Write the result, and everything that follows from it."""
    LET_GO = "let_go"
    """Decide the entries that still wait: they do not take part, and their fees go back."""
    AWAIT_PAYMENTS = "await_payments"
    AWAIT_NOTICES = "await_notices"
    REFUND = "refund"
    """Begin to give everything back."""
    GIVE_BACK = "give_back"
    """Go on with that, until all of it is back."""
    PARK = "park"
    """Leave it to somebody who looks."""


ACTIVE: Final = "Active"
PENDING: Final = "Pending"
COMPLETED: Final = "Completed"
CANCELLED: Final = "Cancelled"
"""Statuses of crucibles, as the site spells them."""
_IN_THEIR_ORDER: Final[Mapping[SettlementState, Action]] = {
    SettlementState.DUE: Action.FREEZE,
    SettlementState.FROZEN: Action.DRAIN,
    SettlementState.DRAINED: Action.PROVE,
    SettlementState.PROVEN: Action.RANK,
    SettlementState.RANKED: Action.LET_GO,
    SettlementState.PAYING: Action.AWAIT_PAYMENTS,
    SettlementState.ANNOUNCED: Action.AWAIT_NOTICES,
    SettlementState.REFUNDING: Action.GIVE_BACK,
    SettlementState.DONE: Action.WAIT,
    SettlementState.CANCELLED: Action.WAIT,
    SettlementState.PARKED: Action.WAIT,
}


def next_action(state: SettlementState, crucible: CrucibleNow | None) -> Action:
    """Return what is to be done about an ending.

    Before the result is written, the crucible's row decides; afterwards nothing of it does: neither a cancel nor a
    deletion undoes a result whose prizes may have been paid.

    Args:
        state: of the settlement.
        crucible: as its row says; None if there is no such row any more.

    >>> next_action(SettlementState.FROZEN, CrucibleNow("Cancelled", is_over=True)).value
    'refund'
    >>> next_action(SettlementState.PAYING, CrucibleNow("Cancelled", is_over=True)).value
    'await_payments'
    """
    if state not in BEFORE_THE_RESULT:
        return _IN_THEIR_ORDER[state]
    if crucible is None or crucible.status == CANCELLED:
        return Action.REFUND
    if state is SettlementState.DUE and crucible.status != COMPLETED:
        # An end that was moved or taken away is no end. A crucible that never was active has none.
        return Action.FREEZE if crucible.is_over and crucible.status == ACTIVE else Action.WAIT
    return _IN_THEIR_ORDER[state] if crucible.status == ACTIVE else Action.PARK


class OutcomeKind(StrEnum):
    """How a crucible ended."""

    ENDED = "ended"
    """Its time was over, and it has a result."""
    CANCELLED = "cancelled"
    """It has none, and every fee went back."""


class FinalStanding(msgspec.Struct, frozen=True):
    """The place of one entry."""

    entry_id: int
    user_id: int
    position: int
    """From 1."""
    score: int
    prize: int
    """Buzz; 0 for most."""


class FinalStandings(msgspec.Struct, frozen=True):
    """Entries with a position, best first, as columns: a million of them are three arrays.

    The first of a user in this order is the user's best place.
    """

    entry_ids: "array[int]" = msgspec.field(default_factory=lambda: array("l"))
    """The first has position 1. Type code ``l``, as the others."""
    user_ids: "array[int]" = msgspec.field(default_factory=lambda: array("l"))
    scores: "array[int]" = msgspec.field(default_factory=lambda: array("l"))
    prizes: Mapping[int, int] = {}
    """Buzz by position, of those that get any."""

    def __len__(self) -> int:
        return len(self.entry_ids)

    def __iter__(self) -> Iterator[FinalStanding]:
        """Yield one entry after the other, best first."""
        columns = zip(self.entry_ids, self.user_ids, self.scores, strict=True)
        for position, (entry, user, score) in enumerate(columns, start=1):
            yield FinalStanding(entry, user, position, score, self.prizes.get(position, 0))


class Refunded(msgspec.Struct, frozen=True):
    """What went back to one user for one entry, or for setting the crucible up."""

    user_id: int
    entry_id: int | None
    """None: the fee for setting the crucible up."""
    amount: int
    """Buzz; at least 1."""


class Proof(msgspec.Struct, frozen=True):
    """What shows that a result follows from the votes; ``crucible settle proof`` computes it anew."""

    digest: str
    """SHA-256 in hexadecimal, over entry, rating and number of votes of all entries with a vote."""
    votes: int
    """Number of votes."""


class CrucibleOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a crucible ended, and what it comes to for whom."""

    crucible_id: int
    name: str
    creator_id: int
    kind: OutcomeKind
    entries: int = 0
    """Entries that there were, whatever their verdict."""
    pool: int = 0
    """Buzz that was collected for entries that take part."""
    paid: int = 0
    """Buzz that the prizes come to."""
    remainder: int = 0
    """Buzz of the pool that nobody gets, and that stays in the bank."""
    standings: FinalStandings = msgspec.field(default_factory=FinalStandings)
    """Entries with a position; none of a crucible that was cancelled."""
    refunds: tuple[Refunded, ...] = ()
    """What went back; none of a crucible that has ended."""
    frozen_at: datetime | None = None
    """When votes stopped to count, with time zone; None: it was cancelled before."""
    proof: Proof | None = None
    """None: it was cancelled."""
