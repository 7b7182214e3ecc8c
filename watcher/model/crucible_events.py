"""What happened, as other services read it in the topic ``crucible.events``: CloudEvents, with these types and bodies.

Whoever follows the topic needs nothing else of the watcher's. Names and types of fields do not change; fields may be
added. The document of all of it is ``docs/events.schema.json``, and a test holds both together.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final, Literal

import msgspec

from watcher.model.entry_decision import Decision
from watcher.model.entry_verdict import VerdictState
from watcher.model.settlement import CrucibleOutcome, FinalStanding, OutcomeKind

MAX_STANDINGS: Final = 1_000
"""Standings of one event. More: events of hundreds of kilobytes; fewer: more of them."""

Payouts = Literal["watcher", "external"]
"""Who pays the prizes."""


class EventType(StrEnum):
    """What happened; the ``type`` of the CloudEvent."""

    ENTRY_ADMITTED = "entry.admitted"
    ENTRY_REJECTED = "entry.rejected"
    ENTRY_WITHDRAWN = "entry.withdrawn"
    FROZEN = "crucible.frozen"
    STANDINGS = "crucible.standings"
    SETTLED = "crucible.settled"
    CANCELLED = "crucible.cancelled"
    PRIZE_PAID = "prize.paid"
    FEE_REFUNDED = "fee.refunded"


class EventData(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of an event."""

    crucible_id: int


class EntryAdmitted(EventData, frozen=True):
    """An entry takes part."""

    entry_id: int
    user_id: int
    image_id: int
    fee: int
    """Buzz that it adds to the pool: what was really collected."""


class EntryRejected(EventData, frozen=True):
    """An entry breaks a rule."""

    entry_id: int
    user_id: int
    image_id: int
    reasons: tuple[str, ...]
    """Codes, as in docs/entries.md."""
    enforced: bool
    """false: entries.mode is observe, and the entry takes part all the same."""


class EntryWithdrawn(EventData, frozen=True):
    """An entry's row was deleted before the crucible's end."""

    entry_id: int
    user_id: int
    image_id: int


class CrucibleFrozen(EventData, frozen=True):
    """No vote counts any more."""

    frozen_at: datetime


class EntryStanding(msgspec.Struct, frozen=True, rename="camel"):
    """The place of one entry."""

    entry_id: int
    user_id: int
    position: int
    """From 1."""
    score: int


class Prize(msgspec.Struct, frozen=True, rename="camel"):
    """What one entry won."""

    entry_id: int
    user_id: int
    position: int
    amount: int
    """Buzz."""
    payout_id: str
    """External transaction id under which it is paid, by whomever, once."""


class ResultProof(msgspec.Struct, frozen=True, rename="camel"):
    """What shows that the result follows from the votes."""

    digest: str
    votes: int


class CrucibleStandings(EventData, frozen=True):
    """Standings beyond the first thousand; comes before the ``crucible.settled`` that it belongs to."""

    standings: tuple[EntryStanding, ...]


class CrucibleSettled(EventData, frozen=True):
    """A crucible has its result, which will not change."""

    name: str
    creator_id: int
    entries: int
    """Entries that there were, whatever their verdict."""
    placed: int
    """Entries with a position."""
    pool: int
    """Buzz that was collected."""
    paid: int
    """Buzz that the prizes come to."""
    remainder: int
    """Buzz of the pool that nobody gets."""
    payouts: Payouts
    """Who pays the prizes: ``external`` is whoever follows these events."""
    frozen_at: datetime | None
    proof: ResultProof | None
    prizes: tuple[Prize, ...]
    standings: tuple[EntryStanding, ...]
    """The best thousand; all others came before, in ``crucible.standings``."""


class CrucibleCancelled(EventData, frozen=True):
    """A crucible has no result, and every fee goes back."""

    name: str
    creator_id: int
    entries: int
    refunded: int
    """Buzz, the fee for setting it up included."""
    frozen_at: datetime | None


class PrizePaid(EventData, frozen=True):
    """A prize has arrived."""

    entry_id: int
    user_id: int
    amount: int
    payout_id: str


class FeeRefunded(EventData, frozen=True):
    """A fee has gone back."""

    entry_id: int | None
    """null: the fee for setting the crucible up."""
    user_id: int
    amount: int
    prefix: str
    """Beginning of the external transaction ids under which it was taken."""


BODIES: Final[dict[EventType, type[EventData]]] = {
    EventType.ENTRY_ADMITTED: EntryAdmitted,
    EventType.ENTRY_REJECTED: EntryRejected,
    EventType.ENTRY_WITHDRAWN: EntryWithdrawn,
    EventType.FROZEN: CrucibleFrozen,
    EventType.STANDINGS: CrucibleStandings,
    EventType.SETTLED: CrucibleSettled,
    EventType.CANCELLED: CrucibleCancelled,
    EventType.PRIZE_PAID: PrizePaid,
    EventType.FEE_REFUNDED: FeeRefunded,
}
"""The body of each type."""
_TYPES: Final = {body: kind for kind, body in BODIES.items()}


class CrucibleEvent(msgspec.Struct, frozen=True):
    """Something that happened, to be told to others."""

    data: EventData

    @property
    def type(self) -> EventType:
        """Return what happened, by the type of its body."""
        return _TYPES[type(self.data)]

    @property
    def subject(self) -> str:
        """Return what it happened to, as a path."""
        about = f"crucibles/{self.data.crucible_id}"
        entry = getattr(self.data, "entry_id", None)
        return about if entry is None else f"{about}/entries/{entry}"


def payout_id(crucible_id: int, entry_id: int) -> str:
    """Return the external transaction id of an entry's prize: without rank, so that it is one prize whoever pays it.

    >>> payout_id(42, 1001)
    'crucible-prize-42-1001'
    """
    return f"crucible-prize-{crucible_id}-{entry_id}"


def of_decisions(decisions: Iterable[Decision]) -> Iterator[CrucibleEvent]:
    """Yield what is told of entries that were decided; one that waits is not told yet."""
    for one in decisions:
        if not one.is_new:
            continue
        about = {
            "crucible_id": one.candidate.crucible_id, "entry_id": one.candidate.entry_id,
            "user_id": one.candidate.facts.user_id, "image_id": one.candidate.image_id,
        }  # fmt: skip
        match one.verdict.state:
            case VerdictState.ADMITTED:
                yield CrucibleEvent(EntryAdmitted(**about, fee=one.fee))
            case VerdictState.REJECTED:
                reasons = tuple(reason.value for reason in one.verdict.reasons)
                yield CrucibleEvent(EntryRejected(**about, reasons=reasons, enforced=one.enforced))
            case VerdictState.WITHDRAWN:
                yield CrucibleEvent(EntryWithdrawn(**about))


def frozen(crucible_id: int, at: datetime) -> CrucibleEvent:
    """Return the event of a crucible that takes no votes any more."""
    return CrucibleEvent(CrucibleFrozen(crucible_id=crucible_id, frozen_at=at))


def of_outcome(outcome: CrucibleOutcome, payouts: Payouts) -> Iterator[CrucibleEvent]:
    """Yield what is told of a crucible that has ended or was cancelled, in the order in which it is to be read.

    Args:
        outcome: what it came to.
        payouts: who pays.
    """
    if outcome.kind is OutcomeKind.CANCELLED:
        yield CrucibleEvent(
            CrucibleCancelled(
                crucible_id=outcome.crucible_id, name=outcome.name, creator_id=outcome.creator_id,
                entries=outcome.entries, refunded=sum(one.amount for one in outcome.refunds),
                frozen_at=outcome.frozen_at,
            )
        )  # fmt: skip
        return
    standings = iter(outcome.standings)
    best = _page(standings)
    while page := _page(standings):
        yield CrucibleEvent(CrucibleStandings(crucible_id=outcome.crucible_id, standings=page))
    proof = outcome.proof
    yield CrucibleEvent(
        CrucibleSettled(
            crucible_id=outcome.crucible_id, name=outcome.name, creator_id=outcome.creator_id,
            entries=outcome.entries, placed=len(outcome.standings), pool=outcome.pool, paid=outcome.paid,
            remainder=outcome.remainder, payouts=payouts, frozen_at=outcome.frozen_at,
            proof=None if proof is None else ResultProof(proof.digest, proof.votes),
            prizes=tuple(_prizes(outcome)), standings=best,
        )
    )  # fmt: skip


def prize_paid(*, crucible_id: int, entry_id: int, user_id: int, amount: int) -> CrucibleEvent:
    """Return the event of a prize that has arrived."""
    return CrucibleEvent(
        PrizePaid(
            crucible_id=crucible_id, entry_id=entry_id, user_id=user_id, amount=amount,
            payout_id=payout_id(crucible_id, entry_id),
        )
    )  # fmt: skip


def fee_refunded(*, crucible_id: int, entry_id: int | None, user_id: int, amount: int, prefix: str) -> CrucibleEvent:
    """Return the event of a fee that has gone back; without an entry, that for setting the crucible up."""
    return CrucibleEvent(
        FeeRefunded(crucible_id=crucible_id, entry_id=entry_id, user_id=user_id, amount=amount, prefix=prefix)
    )


def _page(standings: Iterator[FinalStanding]) -> tuple[EntryStanding, ...]:
    return tuple(
        EntryStanding(one.entry_id, one.user_id, one.position, one.score) for one in islice(standings, MAX_STANDINGS)
    )


def _prizes(outcome: CrucibleOutcome) -> Iterator[Prize]:
    entries, users = outcome.standings.entry_ids, outcome.standings.user_ids
    for position, amount in sorted(outcome.standings.prizes.items()):
        if amount:
            entry = entries[position - 1]
            yield Prize(entry, users[position - 1], position, amount, payout_id(outcome.crucible_id, entry))
