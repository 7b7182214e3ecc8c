"""The Buzz service's own books: who holds what, and everything that ever moved, as the service itself tells it."""

from dataclasses import dataclass, field
from functools import cached_property

import httpx

BANK = 0
"""The account that fees go to and prizes come from."""
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Movement:
    """Buzz that went from one account to another."""

    id: str
    external: str | None
    """Name that the client gave it: a prefix, and the kind of Buzz."""
    from_account: int
    from_type: str
    to_account: int
    to_type: str
    amount: int
    refund_of: str | None = None
    """The movement that it takes back."""

    @property
    def prefix(self) -> str:
        """Return what all legs of one payment begin with.

        >>> Movement("a", "site-77-User", 5, "User", 0, "User", 10).prefix
        'site-77-'
        """
        return (self.external or "").rpartition("-")[0] + "-"


@dataclass(frozen=True)
class BooksRead:
    """All of it at one moment."""

    balances: dict[tuple[int, str], int] = field(default_factory=dict)
    """Account and kind of Buzz -> amount."""
    moved: tuple[Movement, ...] = ()
    """Oldest first."""

    @cached_property
    def fees(self) -> list[Movement]:
        """Fees that were ever taken."""
        return [one for one in self.moved if one.to_account == BANK and one.refund_of is None]

    @cached_property
    def refunds(self) -> list[Movement]:
        """Everything that was taken back."""
        return [one for one in self.moved if one.refund_of is not None]

    @cached_property
    def held(self) -> list[Movement]:
        """Fees that were taken and not given back."""
        back = {one.refund_of for one in self.refunds}
        return [one for one in self.fees if one.id not in back]


def read(url: str) -> BooksRead:
    """Ask the service by a door that no client of it knows.

    Raises:
        OSError: nobody answers.
    """
    try:
        answer = httpx.post(f"{url}/_simulator/books", json={}, timeout=PATIENCE_SECONDS, trust_env=False)
        told = answer.raise_for_status().json()
    except httpx.HTTPError as error:
        raise OSError(f"the Buzz service did not tell its books: {error}") from error
    return BooksRead(
        {(account, kind): amount for account, kind, amount in told["balances"]},
        tuple(_movement(one) for one in told["moved"]),
    )


def _movement(told: dict[str, object]) -> Movement:
    return Movement(**{name: told[name] for name in _NAMES})  # type: ignore[arg-type]


_NAMES = ("id", "external", "from_account", "from_type", "to_account", "to_type", "amount", "refund_of")
