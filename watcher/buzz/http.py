"""Buzz at the site's own service, over HTTP.

The service's answers are taken for what they prove and for nothing more: a success that names no transaction, an error
after the fact and a leg that is in neither list of a batch are all looked up by external id before anything is said.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec

from watcher.buzz.port import BuzzRefusedError, InsufficientFundsError
from watcher.model.buzz import (
    BANK,
    MAX_AMOUNT,
    MAX_DESCRIPTION_CHARACTERS,
    YELLOW,
    Charge,
    Leg,
    Paid,
    Payout,
    Refund,
    TransactionType,
    ends_in_delimiter,
    is_below,
)
from watcher.model.errors import TemporaryError
from watcher.runtime.http_client import NO_JSON, HttpClient, HttpResponse, OutcomeUnknownError, RequestNotSentError

BAD_REQUEST, NOT_FOUND, CONFLICT, TOO_MANY = 400, 404, 409, 429
_FRIENDLY: Final = "yellow"
"""What the service calls the account type where it asks for friendly names."""


_Amount = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
"""Buzz that has moved. Below nothing, or more than the site's columns hold, is no amount."""


class _Leg(msgspec.Struct, rename="camel"):
    transaction_id: str
    external_transaction_id: str
    account_type: str
    amount: _Amount


class _MadeLeg(msgspec.Struct, rename="camel"):
    transaction_id: str
    account_type: str
    amount: int


class _Charged(msgspec.Struct, rename="camel"):
    transaction_ids: list[_MadeLeg]
    total_amount: int


class _Preview(msgspec.Struct, rename="camel"):
    is_possible: bool


class _RefundedAll(msgspec.Struct, rename="camel"):
    total_refunded: _Amount


class _RefundedOne(msgspec.Struct, rename="camel"):
    transaction_id: str


class _Batch(msgspec.Struct):
    transactions: list[str]
    conflicts: list[str]


class _Account(msgspec.Struct):
    balance: int


class _Found(msgspec.Struct, rename="camel"):
    amount: int
    to_account_id: int


class HttpBuzz:
    """The site's service.

    Args:
        client: reaches it.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def collected(self, prefix: str) -> list[Leg]:
        """Return what was taken under a prefix; see :class:`watcher.buzz.port.Buzz`."""
        answer = self._get(f"multi-transactions?externalTransactionIdPrefix={quote(prefix, safe='')}")
        if answer.status == NOT_FOUND:
            return []
        legs = self._client.read(answer, list[_Leg])
        if len({leg.external_transaction_id for leg in legs}) < len(legs):
            raise OutcomeUnknownError(f"{self._client.where} names a transaction of {prefix} twice")
        return [
            Leg(leg.transaction_id, leg.external_transaction_id, leg.account_type, leg.amount)
            for leg in legs
            if is_below(leg.external_transaction_id, prefix)
        ]

    def charge(self, charge: Charge, *, again: bool = False) -> list[Leg]:
        """Take a fee, once; see :class:`watcher.buzz.port.Buzz`."""
        _check(charge.prefix)
        if again and (legs := self.collected(charge.prefix)):
            return _whole(legs, charge)
        answer = self._post(
            "multi-transactions",
            {
                "fromAccountTypes": [_FRIENDLY],
                "fromAccountId": charge.user_id,
                "toAccountType": YELLOW,
                "toAccountId": BANK,
                "type": TransactionType.FEE,
                "amount": charge.amount,
                "details": {"entityId": charge.crucible_id, "entityType": "Crucible"},
                "externalTransactionIdPrefix": charge.prefix,
                "description": charge.description[:MAX_DESCRIPTION_CHARACTERS],
            },
        )
        if answer.status == BAD_REQUEST:
            if legs := self.collected(charge.prefix):  # sent before by who has forgotten it, and not to be paid twice
                return _whole(legs, charge)
            if not self._can_pay(charge):
                raise InsufficientFundsError(f"user {charge.user_id} holds less than {charge.amount} Buzz")
            raise BuzzRefusedError(f"the Buzz service refuses the charge {charge.prefix}: {answer.first_line}")
        if answer.is_success and self._proves(answer, charge):
            return self._legs(charge)
        if answer.status == CONFLICT or answer.is_success:
            return self._legs(charge)
        raise self._unusual(answer)

    def refund(self, prefix: str, description: str) -> Refund:
        """Give back what was taken under a prefix; see :class:`watcher.buzz.port.Buzz`."""
        if not ends_in_delimiter(prefix):
            return self._refund_legs(self.collected(prefix), description)
        body = {"externalTransactionIdPrefix": prefix, "description": description[:MAX_DESCRIPTION_CHARACTERS]}
        answer = self._post("multi-transactions/refund", body)
        if answer.status == CONFLICT:
            return Refund(0, before=True)
        if answer.status == NOT_FOUND:
            if self.collected(prefix):
                raise OutcomeUnknownError(
                    f"{self._client.where} has nothing of {prefix} to give back, and has taken it"
                )
            return Refund(0, before=True)
        if not answer.is_success:
            raise self._unusual(answer)
        amount = self._client.read(answer, _RefundedAll).total_refunded
        if not amount and (taken := sum(leg.amount for leg in self.collected(prefix))):
            raise OutcomeUnknownError(
                f"{self._client.where} says that nothing of the {taken} Buzz of {prefix} went back"
            )
        return Refund(amount)

    def pay(self, payouts: Sequence[Payout], *, again: bool = False) -> list[Paid]:
        """Pay prizes, each once; see :class:`watcher.buzz.port.Buzz`."""
        paid = {one.external_id: Paid.BEFORE for one in payouts if again and self._was_paid(one)}
        left = [one for one in payouts if one.external_id not in paid]
        if left:
            answer = self._post("transactions", [_payout(one) for one in left])
            if answer.status == BAD_REQUEST:
                raise BuzzRefusedError(f"the Buzz service refuses the whole batch: {answer.first_line}")
            if not answer.is_success:
                raise self._unusual(answer)
            conflicts = set(self._client.read(answer, _Batch).conflicts)
            for one in left:
                if not self._was_paid(one):  # ids of what was made are opaque, so each leg is looked up
                    paid[one.external_id] = Paid.REFUSED
                else:
                    paid[one.external_id] = Paid.BEFORE if one.external_id in conflicts else Paid.NOW
        return [paid[one.external_id] for one in payouts]

    def balance(self, user_id: int) -> int:
        """Return what a user holds; see :class:`watcher.buzz.port.Buzz`."""
        answer = self._get(f"account/{YELLOW}/{user_id}")
        return 0 if answer.status == NOT_FOUND else self._client.read(answer, _Account).balance

    # -- what answers prove -------------------------------------------------------------------------------------------

    def _proves(self, answer: HttpResponse, charge: Charge) -> bool:
        """Return whether an answer names what was moved; a success may be none."""
        try:
            made = msgspec.json.decode(answer.body, type=_Charged)
        except NO_JSON:
            return False
        return sum(leg.amount for leg in made.transaction_ids) == made.total_amount == charge.amount

    def _legs(self, charge: Charge) -> list[Leg]:
        legs = self.collected(charge.prefix)
        if not legs:
            raise OutcomeUnknownError(
                f"the Buzz service says that {charge.prefix} is charged, and knows no transaction of it"
            )
        return _whole(legs, charge)

    def _can_pay(self, charge: Charge) -> bool:
        answer = self._get(
            f"multi-transactions/preview?fromAccountId={charge.user_id}&amount={charge.amount}"
            f"&fromAccountTypes={_FRIENDLY}"
        )
        return self._client.read(answer, _Preview).is_possible

    def _was_paid(self, payout: Payout) -> bool:
        answer = self._get(f"transactions/{quote(payout.external_id, safe='')}")
        if answer.status == NOT_FOUND:
            return False
        found = self._client.read(answer, _Found)
        if (found.amount, found.to_account_id) != (payout.amount, payout.user_id):
            raise BuzzRefusedError(
                f"{payout.external_id} was used for {found.amount} Buzz to account {found.to_account_id}, and now "
                f"stands for {payout.amount} to {payout.user_id}: nothing is paid until somebody has looked"
            )
        return True

    def _refund_legs(self, legs: list[Leg], description: str) -> Refund:
        """Refund one by one: the prefix would match others' transactions too."""
        amount = 0
        for leg in legs:
            body = {"description": description[:MAX_DESCRIPTION_CHARACTERS]}
            answer = self._post(f"transactions/{quote(leg.transaction_id, safe='')}/refund", body)
            if answer.is_success:
                self._client.read(answer, _RefundedOne)
                amount += leg.amount
            elif answer.status not in {NOT_FOUND, CONFLICT}:
                raise self._unusual(answer)
        return Refund(amount, before=not amount)

    # -- the wire -----------------------------------------------------------------------------------------------------

    def _get(self, path: str) -> HttpResponse:
        """Return the answer to a question; a missing one does no harm, because nothing moves."""
        try:
            answer = self._client.request_blocking("GET", path)
        except OutcomeUnknownError as error:
            raise RequestNotSentError(str(error)) from error
        if answer.is_success or (answer.status == NOT_FOUND and not answer.is_page):
            return answer
        raise RequestNotSentError(f"{self._client.where} answers {answer.status} {answer.reason}: {answer.first_line}")

    def _post(self, path: str, body: Any) -> HttpResponse:
        """Return the answer to a request that something be done.

        Raises:
            OutcomeUnknownError: among others, whoever refuses is not the service.
        """
        answer = self._client.request_blocking("POST", path, body=body)
        if answer.status in {NOT_FOUND, CONFLICT} and answer.is_page:
            raise self._unusual(answer)
        return answer

    def _unusual(self, answer: HttpResponse) -> TemporaryError:
        """Return the error of a status that says nothing of what was carried out, or that nothing was."""
        said = f"{self._client.where} answers {answer.status} {answer.reason}: {answer.first_line}"
        return RequestNotSentError(said) if answer.status == TOO_MANY else OutcomeUnknownError(said)


def _whole(legs: list[Leg], charge: Charge) -> list[Leg]:
    """Return the legs, if they are those of the charge.

    Raises:
        BuzzRefusedError: they have another sum, so that this is another charge.
    """
    if (found := sum(leg.amount for leg in legs)) != charge.amount:
        raise BuzzRefusedError(
            f"{charge.prefix} was charged with {found} Buzz, and now stands for {charge.amount}: nothing is charged"
        )
    return legs


def _payout(one: Payout) -> dict[str, Any]:
    if one.amount < 1 or one.user_id == BANK:
        raise ValueError(f"given {one}, expected an amount of at least 1 and a user")
    return {
        "fromAccountId": BANK,
        "fromAccountType": YELLOW,
        "toAccountId": one.user_id,
        "toAccountType": YELLOW,
        "amount": one.amount,
        "type": TransactionType.REWARD,
        "description": one.description[:MAX_DESCRIPTION_CHARACTERS],
        "details": {"entityId": one.crucible_id, "entityType": "Crucible"},
        "externalTransactionId": one.external_id,
    }


def _check(prefix: str) -> None:
    if not ends_in_delimiter(prefix):
        raise ValueError(f"given the prefix {prefix!r}, expected one that ends in a delimiter")
