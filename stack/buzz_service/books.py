"""Accounts and transactions, in a file that survives ``kill -9``: what moved, and once per external id."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stack.simulator.kept_file import KeptFile
from stack.simulator.refused import RefusedRequest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

BANK = 0
"""The central bank's account: it has no floor."""
API_TYPES = {
    "yellow": "User",
    "green": "Green",
    "blue": "Generation",
    "red": "FakeRed",
    "creatorProgramBank": "CreatorProgramBank",
    "creatorProgramBankGreen": "CreatorProgramBankGreen",
    "cashPending": "CashPending",
    "cashSettled": "CashSettled",
    "club": "Club",
}
"""Types of accounts as clients call them, and as the interface does."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS balance (
    account integer NOT NULL, type text NOT NULL, amount integer NOT NULL DEFAULT 0, PRIMARY KEY (account, type)
);
CREATE TABLE IF NOT EXISTS moved (
    number integer PRIMARY KEY AUTOINCREMENT, id text NOT NULL UNIQUE, external text UNIQUE,
    from_account integer NOT NULL, from_type text NOT NULL, to_account integer NOT NULL, to_type text NOT NULL,
    amount integer NOT NULL, kind integer, description text, details text, refund_of text UNIQUE
);
"""


@dataclass(frozen=True)
class Transfer:
    """One movement that somebody asks for."""

    from_account: int
    from_type: str
    to_account: int
    to_type: str
    amount: int
    external: str | None = None
    kind: int | None = None
    description: str | None = None
    details: Any = None
    refund_of: str | None = None


@dataclass(frozen=True)
class Moved:
    """One movement that was made."""

    id: str
    external: str | None
    from_account: int
    from_type: str
    to_account: int
    to_type: str
    amount: int
    kind: int | None
    description: str | None
    details: Any
    refund_of: str | None


class Books(KeptFile):
    """The file. Every method is one transaction."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    def fund(self, purchases: Iterable[tuple[int, str, int]]) -> None:
        """Give accounts Buzz from nowhere: what a purchase does on the site. Each is account, type and amount."""
        with self as file:
            for account, kind, amount in purchases:
                _add(file, account, kind, amount)

    def balances(self) -> list[tuple[int, str, int]]:
        """Return account, type and amount of every account that was ever moved to or from."""
        with self as file:
            return list(file.execute("SELECT account, type, amount FROM balance ORDER BY account, type"))

    def balance(self, account: int, kind: str) -> int:
        """Return what an account holds; 0 for one that was never heard of."""
        with self as file:
            return _balance(file, account, kind)

    def all_moved(self) -> list[Moved]:
        """Return every movement, oldest first."""
        with self as file:
            return _select(file, "1 = 1", ())

    def by_external(self, external: str) -> Moved | None:
        """Return the movement with an external id."""
        with self as file:
            return next(iter(_select(file, "external = ?", (external,))), None)

    def by_prefix(self, prefix: str) -> list[Moved]:
        """Return the movements whose external id begins so, refunded ones too: whether one was refunded is not told."""
        with self as file:
            return _by_prefix(file, prefix)

    def move(self, transfer: Transfer) -> Moved:
        """Make one movement.

        Raises:
            Refused: 409 if its external id was used before, 400 if the account holds too little.
        """
        with self as file:
            return _move(file, transfer)

    def move_some(self, transfers: Iterable[Transfer]) -> tuple[list[Moved], list[str]]:
        """Make those movements that can be made; return them, and the external ids that were used before."""
        moved, conflicts = [], []
        with self as file:
            for transfer in transfers:
                try:
                    moved.append(_move(file, transfer))
                except RefusedRequest as refused:
                    if refused.status == 409 and transfer.external is not None:
                        conflicts.append(transfer.external)
        return moved, conflicts

    def move_together(self, transfers: Iterable[Transfer]) -> list[tuple[Moved, bool]]:
        """Make all of the movements or none; with each, whether it had been made before.

        Raises:
            Refused: an account holds too little.
        """
        made = []
        with self as file:
            for transfer in transfers:
                known = _select(file, "external = ?", (transfer.external,)) if transfer.external else []
                made.append((known[0], True) if known else (_move(file, transfer), False))
        return made

    def refund_prefix(self, prefix: str) -> list[tuple[Moved, Moved]]:
        """Take back every movement whose external id begins so; return each with its refund.

        Raises:
            Refused: 404 if there is none, 409 if all of them were taken back before.
        """
        with self as file:
            charges = [one for one in _by_prefix(file, prefix) if one.refund_of is None]
            if not charges:
                raise RefusedRequest(404, f"no transactions with prefix {prefix}")
            back = [(one, _refund(file, one)) for one in charges if not _refunded(file, one)]
            if not back:
                raise RefusedRequest(409, f"transactions with prefix {prefix} were refunded before")
            return back

    def refund(self, transaction_id: str) -> Moved:
        """Take back one movement.

        Raises:
            Refused: 404 if there is none, 409 if it was taken back before.
        """
        with self as file:
            found = _select(file, "id = ?", (transaction_id,))
            if not found:
                raise RefusedRequest(404, "no such transaction")
            if _refunded(file, found[0]):
                raise RefusedRequest(409, "refunded before")
            return _refund(file, found[0])


def _move(file: sqlite3.Connection, transfer: Transfer) -> Moved:
    if transfer.external is not None and _select(file, "external = ?", (transfer.external,)):
        raise RefusedRequest(409, f"externalTransactionId {transfer.external} exists")
    if transfer.from_account != BANK and _balance(file, transfer.from_account, transfer.from_type) < transfer.amount:
        raise RefusedRequest(400, "insufficient funds")
    _add(file, transfer.from_account, transfer.from_type, -transfer.amount)
    _add(file, transfer.to_account, transfer.to_type, transfer.amount)
    number = str(uuid.uuid4())
    file.execute(
        "INSERT INTO moved (id, external, from_account, from_type, to_account, to_type, amount, kind, description, "
        "details, refund_of) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number, transfer.external, transfer.from_account, transfer.from_type, transfer.to_account,
            transfer.to_type, transfer.amount, transfer.kind, transfer.description, json.dumps(transfer.details),
            transfer.refund_of,
        ),
    )  # fmt: skip
    return _select(file, "id = ?", (number,))[0]


def _refund(file: sqlite3.Connection, charge: Moved) -> Moved:
    """Take a movement back; the one who got it may fall below nothing, as a user who has spent it meanwhile does."""
    _add(file, charge.to_account, charge.to_type, -charge.amount)
    _add(file, charge.from_account, charge.from_type, charge.amount)
    number = str(uuid.uuid4())
    file.execute(
        "INSERT INTO moved (id, external, from_account, from_type, to_account, to_type, amount, kind, description, "
        "details, refund_of) VALUES (?, NULL, ?, ?, ?, ?, ?, 7, 'refund', ?, ?)",
        (
            number, charge.to_account, charge.to_type, charge.from_account, charge.from_type, charge.amount,
            json.dumps(charge.details), charge.id,
        ),
    )  # fmt: skip
    return _select(file, "id = ?", (number,))[0]


def _refunded(file: sqlite3.Connection, charge: Moved) -> bool:
    return bool(_select(file, "refund_of = ?", (charge.id,)))


def _by_prefix(file: sqlite3.Connection, prefix: str) -> list[Moved]:
    return _select(file, "substr(external, 1, length(?1)) = ?1", (prefix,))


def _balance(file: sqlite3.Connection, account: int, kind: str) -> int:
    row = file.execute("SELECT amount FROM balance WHERE account = ? AND type = ?", (account, kind)).fetchone()
    return int(row[0]) if row else 0


def _add(file: sqlite3.Connection, account: int, kind: str, amount: int) -> None:
    file.execute(
        "INSERT INTO balance (account, type, amount) VALUES (?, ?, ?) "
        "ON CONFLICT (account, type) DO UPDATE SET amount = amount + excluded.amount",
        (account, kind, amount),
    )


def _select(file: sqlite3.Connection, condition: str, parameters: tuple[Any, ...]) -> list[Moved]:
    rows = file.execute(
        "SELECT id, external, from_account, from_type, to_account, to_type, amount, kind, description, details, "  # noqa: S608 - conditions are this module's own
        f"refund_of FROM moved WHERE {condition} ORDER BY number",
        parameters,
    ).fetchall()
    return [
        Moved(
            id=row[0], external=row[1], from_account=row[2], from_type=row[3], to_account=row[4], to_type=row[5],
            amount=row[6], kind=row[7], description=row[8], details=json.loads(row[9] or "null"), refund_of=row[10],
        )
        for row in rows
    ]  # fmt: skip
