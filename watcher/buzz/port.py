"""What the watcher asks of Buzz, whoever keeps the books."""

from collections.abc import Sequence
from typing import Protocol

from watcher.model.buzz import Charge, Leg, Paid, Payout, Refund
from watcher.model.errors import WatcherError


class BuzzRefusedError(WatcherError):
    """Raised when nothing moved, and the same request will not be taken another time either."""


class InsufficientFundsError(BuzzRefusedError):
    """Raised when the payer holds less than the amount."""


class Buzz(Protocol):
    """The books.

    Each call may raise ``RequestNotSentError``, after which it may be sent again blindly, or ``OutcomeUnknownError``,
    after which whoever sends it again says so by ``again``: then it is looked up first.
    """

    def collected(self, prefix: str) -> list[Leg]:
        """Return what was taken from users under a prefix, refunded or not; empty if nothing was."""
        ...

    def charge(self, charge: Charge, *, again: bool = False) -> list[Leg]:
        """Take a fee, once; return the legs that it was taken in, also if an earlier attempt took it.

        Raises:
            InsufficientFundsError: the user holds too little.
            BuzzRefusedError: the service will not, or another charge has this prefix.
        """
        ...

    def refund(self, prefix: str, description: str) -> Refund:
        """Give back what was taken under a prefix, once, to the accounts that it came from."""
        ...

    def pay(self, payouts: Sequence[Payout], *, again: bool = False) -> list[Paid]:
        """Pay prizes out of the bank, each once; return what became of each, in their order."""
        ...

    def balance(self, user_id: int) -> int:
        """Return what a user holds of the account type that fees are taken from."""
        ...
