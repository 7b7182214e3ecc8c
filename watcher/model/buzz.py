"""What moves between users and the bank, as values: the same for the site's Buzz service and for our own ledger.

Whatever may be sent twice has a name of its own, made of ids that never change: never of a time, a rank or an attempt.
"""

from enum import IntEnum, StrEnum
from typing import Final

import msgspec

BANK: Final = 0
"""The central bank's account, which holds the pools."""
YELLOW: Final = "User"
"""The one account type that fees are taken from and prizes are paid to, as the service spells it (spec, section 3)."""
MAX_AMOUNT: Final = 2**31 - 1
"""Buzz. The site's columns hold no more."""
MAX_DESCRIPTION_CHARACTERS: Final = 100
"""Characters."""


class TransactionType(IntEnum):
    """Kinds of transactions, by the site's numbers."""

    REWARD = 5
    REFUND = 7
    FEE = 25


class Leg(msgspec.Struct, frozen=True):
    """One movement that was made from a user to the bank."""

    transaction_id: str
    external_id: str
    account_type: str
    amount: int
    """Buzz."""


class Charge(msgspec.Struct, frozen=True):
    """A fee to be taken from a user."""

    user_id: int
    amount: int
    """Buzz; at least 1."""
    prefix: str
    """Beginning of the external ids of its legs; ends in a delimiter."""
    crucible_id: int
    description: str


class Refund(msgspec.Struct, frozen=True):
    """What came of taking a charge back."""

    amount: int
    """Buzz that went back now."""
    before: bool = False
    """It had gone back before, or there was nothing."""


class Payout(msgspec.Struct, frozen=True):
    """A prize to be paid from the bank to a user."""

    external_id: str
    user_id: int
    amount: int
    """Buzz; at least 1."""
    crucible_id: int
    description: str


class Paid(StrEnum):
    """What became of one payout of a batch."""

    NOW = "now"
    BEFORE = "before"
    """The same id was paid before: the money is there."""
    REFUSED = "refused"
    """The service took the batch and left this one out."""


def entry_prefix(crucible_id: int, entry_id: int) -> str:
    """Return what the external ids of an entry's fee begin with: the same at each attempt, so that it is one charge.

    >>> entry_prefix(42, 1001)
    'crucible-entry-42-1001-'
    """
    return f"crucible-entry-{crucible_id}-{entry_id}-"


def is_below(external_id: str, prefix: str) -> bool:
    """Return whether an external id belongs to one of a prefix' own legs.

    The service matches by beginnings alone, so ``...-5`` would match ``...-50`` too.

    >>> is_below("fee-5-User", "fee-5-"), is_below("fee-5User", "fee-5"), is_below("fee-50User", "fee-5")
    (True, True, False)
    """
    rest = external_id.removeprefix(prefix)
    if len(rest) == len(external_id) - len(prefix) and external_id.startswith(prefix):
        return not prefix[-1:].isalnum() or not rest[:1].isdigit()
    return False


def ends_in_delimiter(prefix: str) -> bool:
    """Return whether a prefix ends so that no other one can begin with it by accident.

    >>> ends_in_delimiter("crucible-entry-42-5-"), ends_in_delimiter("crucible-entry-42-5")
    (True, False)
    """
    return bool(prefix) and not prefix[-1].isalnum()
