"""A request's path and body to an answer, as the site's Buzz service gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stack.buzz_service.books import API_TYPES, BANK, Books, Moved, Transfer
from stack.simulator.refused import RefusedRequest

QueryString = Mapping[str, list[str]]
JsonAnswer = Any
SHORTEST, LONGEST = 1, 100
"""Characters of a description."""


class BuzzRoutes:
    """The interface, over the books."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def get(self, parts: list[str], query: QueryString) -> JsonAnswer:
        """Answer a GET.

        Raises:
            Refused: there is no such thing.
        """
        match parts:
            case ["account", number]:
                return self._account(int(number), "User")
            case ["account", kind, number]:
                return self._account(int(number), kind)
            case ["user", number, "accounts"]:
                return {kind: self._books.balance(int(number), kind) for kind in query.get("accountType", [])}
            case ["transactions", external]:
                found = self._books.by_external(external)
                if found is None:
                    raise RefusedRequest(404, "no such transaction")
                return _told(found)
            case ["multi-transactions"]:
                legs = self._books.by_prefix(_one(query, "externalTransactionIdPrefix"))
                return [
                    {
                        "transactionId": leg.id,
                        "externalTransactionId": leg.external,
                        "accountType": leg.from_type,
                        "accountId": leg.from_account,
                        "amount": leg.amount,
                    }
                    for leg in legs
                ]
            case ["multi-transactions", "preview"]:
                return self._preview(query)
        raise RefusedRequest(404, "no such route")

    def post(self, parts: list[str], body: Any, *, drop_leg: bool = False) -> JsonAnswer:
        """Carry out a POST.

        Raises:
            Refused: nothing moved.
        """
        match parts:
            case ["transaction"]:
                made = self._books.move(_transfer(body))
                return {
                    "transactionId": made.id,
                    "remainingBalance": self._books.balance(made.from_account, made.from_type),
                }
            case ["transactions"]:
                return self._batch(body, drop_leg=drop_leg)
            case ["transactions", number, "refund"]:
                return {"transactionId": self._books.refund(number).id}
            case ["multi-transactions"]:
                return self._multi(body)
            case ["multi-transactions", "refund"]:
                return self._refund(str(body["externalTransactionIdPrefix"]))
        raise RefusedRequest(404, "no such route")

    def _account(self, number: int, kind: str) -> JsonAnswer:
        return {"id": number, "balance": self._books.balance(number, kind), "lifetimeBalance": 0}

    def _preview(self, query: QueryString) -> JsonAnswer:
        account, amount = int(_one(query, "fromAccountId")), int(_one(query, "amount"))
        held = {kind: self._books.balance(account, API_TYPES[kind]) for kind in query.get("fromAccountTypes", [])}
        total = sum(held.values())
        return {
            "isPossible": total >= amount,
            "totalAvailableBalance": total,
            "requestedAmount": amount,
            "accountCharges": [
                {"accountType": API_TYPES[kind], "amount": part} for kind, part in _shares(held, amount)
            ],
            "shortfall": max(0, amount - total),
        }

    def _batch(self, body: Any, *, drop_leg: bool) -> JsonAnswer:
        legs = [_transfer(one) for one in body]
        if any((leg.from_account, leg.from_type) == (leg.to_account, leg.to_type) for leg in legs):
            raise RefusedRequest(400, "a transaction has the same account on both sides")
        moved, conflicts = self._books.move_some(legs[1:] if drop_leg else legs)
        return {"transactions": [one.id for one in moved], "conflicts": conflicts}

    def _multi(self, body: Any) -> JsonAnswer:
        payer, amount, prefix = (
            int(body["fromAccountId"]),
            _amount(body),
            str(body.get("externalTransactionIdPrefix") or ""),
        )
        if payer < 1:
            raise RefusedRequest(400, "fromAccountId must be at least 1")
        if not prefix:
            raise RefusedRequest(400, "externalTransactionIdPrefix is required")
        kinds = [str(kind) for kind in body["fromAccountTypes"]]
        if unknown := [kind for kind in kinds if kind not in API_TYPES]:
            raise RefusedRequest(400, f"unknown account type {unknown[0]}")
        to_type = str(body.get("toAccountType") or "User")
        known = [leg for leg in self._books.by_prefix(prefix) if leg.refund_of is None]
        if known:
            return _legs([(leg, True) for leg in known])
        held = {kind: self._books.balance(payer, API_TYPES[kind]) for kind in kinds}
        if sum(held.values()) < amount:
            raise RefusedRequest(400, "insufficient funds")
        return _legs(
            self._books.move_together(
                Transfer(
                    payer, API_TYPES[kind], int(body["toAccountId"]), to_type, part, f"{prefix}{API_TYPES[kind]}",
                    body.get("type"), body.get("description"), body.get("details"),
                )
                for kind, part in _shares(held, amount)
            )
        )  # fmt: skip

    def _refund(self, prefix: str) -> JsonAnswer:
        back = self._books.refund_prefix(prefix)
        return {
            "refundedTransactions": [
                {
                    "originalTransactionId": charge.id,
                    "refundTransactionId": refund.id,
                    "accountType": charge.from_type,
                    "amount": charge.amount,
                    "originalExternalTransactionId": charge.external,
                }
                for charge, refund in back
            ],
            "totalRefunded": sum(charge.amount for charge, _ in back),
            "externalTransactionIdPrefix": prefix,
        }


def _legs(made: list[tuple[Moved, bool]]) -> JsonAnswer:
    return {
        "transactionIds": [
            {"transactionId": one.id, "accountType": one.from_type, "amount": one.amount, "duplicate": before}
            for one, before in made
        ],
        "totalAmount": sum(one.amount for one, _ in made),
        "transactionCount": len(made),
    }


def _shares(held: Mapping[str, int], amount: int) -> list[tuple[str, int]]:
    """Return what each account gives, the first as much as it can."""
    shares = []
    for kind, there in held.items():
        part = min(there, amount)
        if part > 0:
            shares.append((kind, part))
            amount -= part
    return shares


def _transfer(body: Any) -> Transfer:
    description = str(body.get("description") or "")
    if not SHORTEST <= len(description) <= LONGEST:
        raise RefusedRequest(400, "description must have 1 to 100 characters")
    if body.get("fromAccountId") == body.get("toAccountId") == BANK:
        raise RefusedRequest(400, "the bank cannot pay itself")
    return Transfer(
        int(body["fromAccountId"]), str(body.get("fromAccountType") or "User"), int(body["toAccountId"]),
        str(body.get("toAccountType") or "User"), _amount(body), body.get("externalTransactionId"), body.get("type"),
        description, body.get("details"),
    )  # fmt: skip


def _amount(body: Any) -> int:
    amount = body.get("amount")
    if type(amount) is not int or amount < 1:
        raise RefusedRequest(400, "amount must be a whole number of at least 1")
    return amount


def _told(moved: Moved) -> JsonAnswer:
    told = asdict(moved)
    return {
        "transactionId": told["id"],
        "externalTransactionId": told["external"],
        "fromAccountId": told["from_account"],
        "fromAccountType": told["from_type"],
        "toAccountId": told["to_account"],
        "toAccountType": told["to_type"],
        "amount": told["amount"],
        "type": told["kind"],
        "description": told["description"],
        "details": told["details"],
    }


def _one(query: QueryString, name: str) -> str:
    if not query.get(name):
        raise RefusedRequest(400, f"{name} is required")
    return query[name][0]
