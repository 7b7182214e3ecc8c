"""What becomes of an entry: its verdict, and the reasons for it as stable codes with a sentence each."""

from enum import StrEnum
from typing import Final

import msgspec


class VerdictState(StrEnum):
    """Where an entry stands. Stored as it is spelt here, in ``entry_verdict.verdict``."""

    WAITING = "waiting"
    """Something that decides is not known yet: the image's scan, or what was paid."""
    ADMITTED = "admitted"
    """It takes part; judges see it while its image may be shown."""
    REJECTED = "rejected"
    """It breaks a rule; what was paid for it is refunded."""
    WITHDRAWN = "withdrawn"
    """Its row was deleted before the crucible's freeze; what was paid for it is refunded."""


class EntryReason(StrEnum):
    """Why an entry is not admitted, or not yet. Codes are for programs and do not change; sentences are for people."""

    CRUCIBLE_UNKNOWN = "crucible_unknown"
    CRUCIBLE_NOT_ACTIVE = "crucible_not_active"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    TOTAL_LIMIT = "total_limit"
    USER_LIMIT = "user_limit"
    IMAGE_UNKNOWN = "image_unknown"
    NOT_IMAGE_OWNER = "not_image_owner"
    IMAGE_ENTERED_ALREADY = "image_entered_already"
    IMAGE_BLOCKED = "image_blocked"
    IMAGE_NOT_SCANNABLE = "image_not_scannable"
    IMAGE_NOT_SCANNED = "image_not_scanned"
    LEVEL_NOT_ALLOWED = "level_not_allowed"
    RESOURCES_NOT_ALLOWED = "resources_not_allowed"
    NO_RESOURCES_DETECTED = "no_resources_detected"
    RULE_UNREADABLE = "rule_unreadable"
    FEE_PENDING = "fee_pending"
    UNPAID = "unpaid"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    WRONG_ACCOUNT_TYPE = "wrong_account_type"
    CHARGE_REFUSED = "charge_refused"


SENTENCES: Final[dict[EntryReason, str]] = {
    EntryReason.CRUCIBLE_UNKNOWN: "The crucible does not exist.",
    EntryReason.CRUCIBLE_NOT_ACTIVE: "The crucible does not take entries now.",
    EntryReason.NOT_STARTED: "The entry was made before the crucible began.",
    EntryReason.ENDED: "The entry was made after the crucible's end.",
    EntryReason.TOTAL_LIMIT: "The crucible is full.",
    EntryReason.USER_LIMIT: "The entrant has as many entries as the crucible allows one user.",
    EntryReason.IMAGE_UNKNOWN: "The image does not exist.",
    EntryReason.NOT_IMAGE_OWNER: "The image belongs to somebody else.",
    EntryReason.IMAGE_ENTERED_ALREADY: "The image takes part in this crucible already.",
    EntryReason.IMAGE_BLOCKED: "The image is blocked.",
    EntryReason.IMAGE_NOT_SCANNABLE: "The image could not be scanned.",
    EntryReason.IMAGE_NOT_SCANNED: "The image has not been scanned yet; the entry is decided when it is.",
    EntryReason.LEVEL_NOT_ALLOWED: "The crucible does not allow the image's content level.",
    EntryReason.RESOURCES_NOT_ALLOWED: "The image was made with resources that the crucible does not allow.",
    EntryReason.NO_RESOURCES_DETECTED: "The crucible allows listed resources alone, and none was found in the image.",
    EntryReason.RULE_UNREADABLE: "The crucible's list of allowed resources cannot be read; nobody can be admitted.",
    EntryReason.FEE_PENDING: "The fee is being collected.",
    EntryReason.UNPAID: "The fee was not paid.",
    EntryReason.INSUFFICIENT_FUNDS: "The entrant has not enough Buzz for the fee.",
    EntryReason.WRONG_ACCOUNT_TYPE: "The fee was paid with Buzz of a kind that is not accepted.",
    EntryReason.CHARGE_REFUSED: "The fee could not be charged.",
}
"""A sentence for people for each code."""


_OF_THE_IMAGE: Final = frozenset(
    {
        EntryReason.IMAGE_BLOCKED,
        EntryReason.IMAGE_NOT_SCANNABLE,
        EntryReason.IMAGE_NOT_SCANNED,
        EntryReason.LEVEL_NOT_ALLOWED,
        EntryReason.RESOURCES_NOT_ALLOWED,
        EntryReason.NO_RESOURCES_DETECTED,
    }
)
"""Reasons that say something of what the image is like."""


def reasons_told(reasons: tuple[EntryReason, ...]) -> tuple[EntryReason, ...]:
    """Return the reasons that an entrant is told: nothing of what an image of somebody else is like.

    >>> reasons_told((EntryReason.NOT_IMAGE_OWNER, EntryReason.IMAGE_BLOCKED))
    (<EntryReason.NOT_IMAGE_OWNER: 'not_image_owner'>,)
    """
    if EntryReason.NOT_IMAGE_OWNER not in reasons:
        return reasons
    return tuple(reason for reason in reasons if reason not in _OF_THE_IMAGE)


PLACE_REASONS: Final = frozenset({EntryReason.TOTAL_LIMIT, EntryReason.USER_LIMIT, EntryReason.IMAGE_ENTERED_ALREADY})
"""Reasons that have to do with other entries, which have the place: they come and go with those."""


class Verdict(msgspec.Struct, frozen=True):
    """A decision on one entry."""

    state: VerdictState
    reasons: tuple[EntryReason, ...] = ()
    """Why, in the order of :class:`EntryReason`. Of an admitted entry: rules that it breaks since they were changed,
    which are reported and change nothing, because votes have counted for it."""

    @property
    def holds_place(self) -> bool:
        """Return whether the entry has one of the places that are counted, of its user, its image and its crucible.

        An entry that waits for a scan while no place is free waits without one. Were it given one, an entry that is
        dated         earlier than others would be one too many, and the last of those would have to go.
        """
        if self.state is VerdictState.WAITING:
            return PLACE_REASONS.isdisjoint(self.reasons)
        return self.state is VerdictState.ADMITTED

    @property
    def sentences(self) -> list[str]:
        """Return a sentence for each reason, for people."""
        return [SENTENCES[reason] for reason in self.reasons]
