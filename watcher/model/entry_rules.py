"""The rules of entering a crucible: one pure function from the facts of an entry to its verdict.

The same function stands behind two doors, the change stream and the question before an entry is made. It looks at
nothing but its argument: what time it is, what was paid and who came first are facts that somebody else has read.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from watcher.model.allowed_resources import UnreadableRuleError, allowed_resources
from watcher.model.entry_verdict import EntryReason, Verdict, VerdictState
from watcher.model.visibility import ALL_LEVELS, BLOCKED, SCANNED

NOT_SCANNED: Final = frozenset({"Pending", "Rescan", "PendingManualAssignment"})
"""States of ingestion after which another one comes."""
NOT_SCANNABLE: Final = frozenset({"Error", "NotFound"})
"""States of ingestion with which the site has given up."""
ACTIVE: Final = "Active"
"""Status of crucibles that take entries."""
CANCELLED: Final = "Cancelled"
COMPLETED: Final = "Completed"
"""Statuses of crucibles that are over."""
IMAGE: Final = "image"
"""The type of image whose resources are verified; nothing tells which resources a video was made with."""


class CrucibleRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a crucible's row says of entering it."""

    status: str
    nsfw_level: int
    """Flags of the levels that it allows."""
    start_ms: int | None = None
    """Milliseconds since 1970; None: no beginning."""
    end_ms: int | None = None
    """Milliseconds since 1970; None: no end."""
    entry_fee: int = 0
    """Buzz."""
    entry_limit: int = 1
    """Entries of one user."""
    max_total_entries: int | None = None
    allowed_resources: str | None = None
    """JSON of the column."""


class EntryImage(msgspec.Struct, frozen=True, kw_only=True):
    """What the site says of an entry's image."""

    user_id: int
    nsfw_level: int
    ingestion: str
    type: str = IMAGE
    blocked_for: str | None = None
    resources: frozenset[int] = frozenset()
    """Ids of the model versions that were found in it."""


class Payment(StrEnum):
    """How far the fee of an entry is."""

    PENDING = "pending"
    """Nobody has asked yet what was paid, or the answer is not there."""
    SETTLED = "settled"
    """What was collected is known."""
    INSUFFICIENT_FUNDS = "insufficient_funds"
    WRONG_ACCOUNT_TYPE = "wrong_account_type"
    """It was taken from accounts that fees are not taken from."""
    REFUSED = "refused"
    """The charge was refused for another reason."""


class EntryFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides about one entry."""

    user_id: int
    created_ms: int
    """When the row was made, by the site's clock: milliseconds since 1970."""
    crucible: CrucibleRules | None
    image: EntryImage | None
    entered_already: bool = False
    """An earlier entry of this crucible that was not rejected or withdrawn has the same image."""
    earlier_of_user: int = 0
    """Entries of this user in this crucible that came before, by time and id, and were not rejected or withdrawn."""
    earlier_in_all: int = 0
    """The same of all users."""
    payment: Payment = Payment.SETTLED
    collected: int = 0
    """Buzz that was really collected for this entry."""
    voted_on: bool = False
    """A vote has counted for it."""
    admitted_before: bool = False
    """Its verdict so far is admitted."""


def decide(facts: EntryFacts) -> Verdict:
    """Return the verdict on an entry, with every reason at once.

    An image that is not scanned makes the entry wait, whatever else is known of it: nothing is rejected or refunded
    before all of it can be told; but for a blocked image, which no scan mends, and for a crucible that is over. Once a
    vote has counted, a rule that was changed afterwards rejects nothing any more, unless the crucible is cancelled.
    """
    broken = list(broken_rules(facts))
    status = facts.crucible.status if facts.crucible else ""
    if facts.admitted_before and facts.voted_on and status != CANCELLED:
        return Verdict(VerdictState.ADMITTED, tuple(reason for reason in broken if reason not in _UNDECIDED))
    waits = EntryReason.IMAGE_NOT_SCANNED in broken and EntryReason.IMAGE_BLOCKED not in broken
    if waits and status not in {CANCELLED, COMPLETED}:
        return Verdict(VerdictState.WAITING, tuple(broken))
    if broken:
        return Verdict(VerdictState.REJECTED, tuple(broken))
    if (reason := _payment(facts)) is not None:
        state = VerdictState.WAITING if reason is EntryReason.FEE_PENDING else VerdictState.REJECTED
        return Verdict(state, (reason,))
    return Verdict(VerdictState.ADMITTED)


_UNDECIDED: Final = frozenset({EntryReason.IMAGE_NOT_SCANNED})


def broken_rules(facts: EntryFacts) -> Iterator[EntryReason]:
    """Yield every rule that an entry breaks, but for its fee, in the order of :class:`EntryReason`."""
    crucible = facts.crucible
    if crucible is None:
        yield EntryReason.CRUCIBLE_UNKNOWN
    else:
        yield from _entering(facts, crucible)
    if facts.image is None:
        yield EntryReason.IMAGE_UNKNOWN
    else:
        if facts.image.user_id != facts.user_id:
            yield EntryReason.NOT_IMAGE_OWNER
        if facts.entered_already:
            yield EntryReason.IMAGE_ENTERED_ALREADY
        yield from _content(facts.image, crucible)


def _entering(facts: EntryFacts, crucible: CrucibleRules) -> Iterator[EntryReason]:
    if crucible.status != ACTIVE:
        yield EntryReason.CRUCIBLE_NOT_ACTIVE
    if crucible.start_ms is not None and facts.created_ms < crucible.start_ms:
        yield EntryReason.NOT_STARTED
    if crucible.end_ms is not None and facts.created_ms > crucible.end_ms:
        yield EntryReason.ENDED
    if crucible.max_total_entries is not None and facts.earlier_in_all >= crucible.max_total_entries:
        yield EntryReason.TOTAL_LIMIT
    if facts.earlier_of_user >= crucible.entry_limit:
        yield EntryReason.USER_LIMIT


def _content(image: EntryImage, crucible: CrucibleRules | None) -> Iterator[EntryReason]:
    rated = bool(image.nsfw_level & ~BLOCKED)  # by a level that nobody knows, too: such an image is shown to nobody
    if image.ingestion == "Blocked" or image.blocked_for is not None or image.nsfw_level & BLOCKED:
        yield EntryReason.IMAGE_BLOCKED
    if image.ingestion in NOT_SCANNABLE:
        yield EntryReason.IMAGE_NOT_SCANNABLE
    elif image.ingestion in NOT_SCANNED or (image.ingestion == SCANNED and not image.nsfw_level):
        yield EntryReason.IMAGE_NOT_SCANNED
        return
    if crucible is not None:
        if rated and not image.nsfw_level & crucible.nsfw_level & ALL_LEVELS:
            yield EntryReason.LEVEL_NOT_ALLOWED
        if image.type == IMAGE:
            yield from _resources(image, crucible)


def _resources(image: EntryImage, crucible: CrucibleRules) -> Iterator[EntryReason]:
    try:
        allowed = allowed_resources(crucible.allowed_resources)
    except UnreadableRuleError:
        yield EntryReason.RULE_UNREADABLE
        return
    if allowed is None:
        return
    if not image.resources:
        yield EntryReason.NO_RESOURCES_DETECTED
    elif not image.resources <= allowed:
        yield EntryReason.RESOURCES_NOT_ALLOWED


def _payment(facts: EntryFacts) -> EntryReason | None:
    """Return why the fee keeps the entry out; None if it does not. What was collected counts, however much."""
    match facts.payment:
        case Payment.PENDING:
            return EntryReason.FEE_PENDING
        case Payment.INSUFFICIENT_FUNDS:
            return EntryReason.INSUFFICIENT_FUNDS
        case Payment.WRONG_ACCOUNT_TYPE:
            return EntryReason.WRONG_ACCOUNT_TYPE
        case Payment.REFUSED:
            return EntryReason.CHARGE_REFUSED
    due = facts.crucible is not None and facts.crucible.entry_fee > 0
    return EntryReason.UNPAID if due and facts.collected <= 0 else None
