"""Buzz in a ledger of our own, in PostgreSQL: for a site without a Buzz service, for the demo, and for tests.

The rules are the database's (``ledger.sql``); here they become the port's answers. Nothing is ever unknown for long: a
transfer whose answer was lost is there or is not, and the same external id finds it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from typing import Final, LiteralString

from watcher.buzz.port import BuzzRefusedError, InsufficientFundsError
from watcher.model.buzz import BANK, YELLOW, Charge, Leg, Paid, Payout, Refund, TransactionType, is_below
from watcher.postgres.faults import ViolationError
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

# Ours, not a caller's: read from beside this module.
SCHEMA: LiteralString = files("watcher.buzz").joinpath("ledger.sql").read_text(encoding="utf-8")
"""The ledger's tables and rules; ``{schema}`` stands for its schema."""
_STATEMENTS: Final = named_statements(files("watcher.buzz"), "ledger_moves.sql")
PURCHASE: Final = 6
"""The site's number of the kind of transaction by which a user buys Buzz."""


class Ledger:
    """The ledger.

    Args:
        open_session: connects as the role that the ledger belongs to, for the length of a block.
    """

    def __init__(self, open_session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._open = open_session

    def make(self) -> None:
        """Make what is missing of the ledger's tables and rules; safe at every start, and from several processes."""
        with self._open() as session, session.together():
            session.lock("ledger")
            session.run(SCHEMA)

    def collected(self, prefix: str) -> list[Leg]:
        """Return what was taken under a prefix; see :class:`watcher.buzz.port.Buzz`."""
        with self._open() as session:
            return self._legs(session, prefix)

    def charge(self, charge: Charge, *, again: bool = False) -> list[Leg]:
        """Take a fee, once; see :class:`watcher.buzz.port.Buzz`."""
        del again  # the same external id finds what was made
        with self._open() as session:
            try:
                self._move(
                    session, f"{charge.prefix}{YELLOW}", TransactionType.FEE, sides=(charge.user_id, BANK),
                    amount=charge.amount, crucible_id=charge.crucible_id, description=charge.description,
                )  # fmt: skip
            except ViolationError as error:
                if error.constraint == "user_owes_nothing":
                    raise InsufficientFundsError(
                        f"user {charge.user_id} holds less than {charge.amount} Buzz"
                    ) from error
                raise BuzzRefusedError(str(error)) from error
            return self._legs(session, charge.prefix)

    def refund(self, prefix: str, description: str) -> Refund:
        """Give back what was taken under a prefix; see :class:`watcher.buzz.port.Buzz`."""
        amount = 0
        with self._open() as session, session.together():
            for number, external, payer, kind, how_much, crucible in session.run(_STATEMENTS["owed"], _like(prefix)):
                if is_below(external, prefix):
                    session.run(
                        _STATEMENTS["move"], f"refund:{external}", TransactionType.REFUND, BANK, YELLOW, payer, kind,
                        how_much, crucible, description, number,
                    )  # fmt: skip
                    amount += how_much
        return Refund(amount, before=not amount)

    def pay(self, payouts: Sequence[Payout], *, again: bool = False) -> list[Paid]:
        """Pay prizes, each once; see :class:`watcher.buzz.port.Buzz`."""
        del again
        paid = []
        with self._open() as session:
            for one in payouts:
                try:
                    before = self._move(
                        session, one.external_id, TransactionType.REWARD, sides=(BANK, one.user_id),
                        amount=one.amount, crucible_id=one.crucible_id, description=one.description,
                    )  # fmt: skip
                except ViolationError as error:
                    if error.constraint != "pool_is_not_overdrawn":
                        raise BuzzRefusedError(str(error)) from error
                    paid.append(Paid.REFUSED)
                else:
                    paid.append(Paid.BEFORE if before else Paid.NOW)
        return paid

    def balance(self, user_id: int) -> int:
        """Return what a user holds; see :class:`watcher.buzz.port.Buzz`."""
        with self._open() as session:
            rows = session.run(_STATEMENTS["balance"], user_id, YELLOW)
        return int(rows[0][0]) if rows else 0

    def fund(self, user_id: int, amount: int, external_id: str) -> None:
        """Give a user Buzz out of the bank, once: what a purchase does on the site."""
        with self._open() as session:
            self._move(
                session,
                external_id,
                PURCHASE,
                sides=(BANK, user_id),
                amount=amount,
                crucible_id=None,
                description="buys",
            )

    def _move(
        self,
        session: Session,
        external_id: str,
        kind: int,
        *,
        sides: tuple[int, int],
        amount: int,
        crucible_id: int | None,
        description: str,
    ) -> bool:
        """Move an amount between yellow accounts, once; return whether it had been moved before."""
        payer, payee = sides
        move = _STATEMENTS["move"]
        rows = session.run(
            move, external_id, kind, payer, YELLOW, payee, YELLOW, amount, crucible_id, description, None
        )
        return bool(rows[0][1])

    def _legs(self, session: Session, prefix: str) -> list[Leg]:
        rows = session.run(_STATEMENTS["legs"], _like(prefix))
        return [
            Leg(str(number), external, kind, amount)
            for number, external, kind, amount in rows
            if is_below(external, prefix)
        ]


def _like(prefix: str) -> str:
    r"""Return the pattern for LIKE of all that begins with a prefix.

    >>> _like("a_b%c\\")
    'a\\_b\\%c\\\\%'
    """
    for special in ("\\", "%", "_"):
        prefix = prefix.replace(special, f"\\{special}")
    return f"{prefix}%"
