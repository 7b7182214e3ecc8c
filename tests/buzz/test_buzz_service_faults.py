"""The ways in which the site's service fails: what is said to have moved has moved, and once."""

import dataclasses
from typing import Any

import httpx
import msgspec
import pytest

from stack import Stack
from tests.buzz.conftest import CLIENT_SECONDS, PATIENT_SECONDS, Books
from tests.buzz.test_buzz_contract import fee, prize
from tests.stack.faults import UNKNOWN, arm
from watcher.buzz.http import HttpBuzz
from watcher.model.buzz import Paid
from watcher.runtime.http_client import HttpClient, HttpResponse, OutcomeUnknownError, RequestNotSentError


@pytest.fixture
def books(request: pytest.FixtureRequest, parts: Stack, over_http: Books) -> Books:
    """The service alone; whoever asks one that hangs gives up soon."""
    kind = getattr(request.node, "callspec", None) and request.node.callspec.params.get("kind", "")
    if not kind or not kind.startswith("hang"):
        return over_http
    hasty = HttpBuzz(HttpClient("the Buzz service", "buzz.url", parts.buzz.url, CLIENT_SECONDS))
    return dataclasses.replace(over_http, buzz=hasty)


@pytest.mark.parametrize("kind", UNKNOWN)
def test_a_charge_whose_answer_says_nothing(books: Books, user: int, service: httpx.Client, kind: str) -> None:
    """It is looked up and, if need be, sent again: the user pays once."""
    charge = fee(user)
    arm(service, {"kind": kind, "path": "/multi-transactions"})

    try:
        books.buzz.charge(charge)
    except OutcomeUnknownError:
        books.buzz.charge(charge, again=True)

    assert books.holds(user) == 900
    assert sum(leg.amount for leg in books.buzz.collected(charge.prefix)) == 100


@pytest.mark.parametrize("kind", [*UNKNOWN])
def test_a_refund_whose_answer_says_nothing(books: Books, user: int, service: httpx.Client, kind: str) -> None:
    charge = fee(user)
    books.buzz.charge(charge)
    arm(service, {"kind": kind, "path": "/multi-transactions/refund"})

    try:
        books.buzz.refund(charge.prefix, "refund")
    except OutcomeUnknownError:
        books.buzz.refund(charge.prefix, "refund")

    assert books.holds(user) == 1_000


@pytest.mark.parametrize("kind", UNKNOWN)
def test_prizes_whose_answer_says_nothing(books: Books, user: int, service: httpx.Client, kind: str) -> None:
    charge = fee(user, 1_000)
    books.buzz.charge(charge)
    winner = 3_000_000 + user
    prizes = [prize(charge, winner, 600, 1), prize(charge, winner, 300, 2)]
    arm(service, {"kind": kind, "path": "/transactions"})

    try:
        paid = books.buzz.pay(prizes)
    except OutcomeUnknownError:
        paid = books.buzz.pay(prizes, again=True)
    if Paid.REFUSED in paid:  # a hollow success: none of it was made
        paid = books.buzz.pay(prizes, again=True)

    assert Paid.REFUSED not in paid
    assert books.holds(winner) == 900


def test_a_leg_that_was_dropped_is_named(books: Books, user: int, service: httpx.Client) -> None:
    charge = fee(user, 1_000)
    books.buzz.charge(charge)
    winner = 3_000_000 + user
    prizes = [prize(charge, winner, 600, 1), prize(charge, winner, 300, 2)]
    arm(service, {"kind": "drop_leg", "path": "/transactions"})

    assert books.buzz.pay(prizes) == [Paid.REFUSED, Paid.NOW]
    assert books.buzz.pay(prizes, again=True) == [Paid.NOW, Paid.BEFORE]
    assert books.holds(winner) == 900


def test_a_service_that_is_away_has_got_nothing(user: int, parts: Any, books: Books) -> None:
    """So the same may be sent again blindly."""
    parts.buzz.kill()
    try:
        with pytest.raises(RequestNotSentError):
            books.buzz.charge(fee(user))
    finally:
        parts.buzz.start()
        parts.buzz.await_ready()

    assert books.holds(user) == 1_000


def test_a_service_that_is_busy_has_done_nothing(books: Books, user: int, service: httpx.Client) -> None:
    arm(service, {"kind": "429", "path": "/multi-transactions"})

    with pytest.raises(RequestNotSentError, match="429"):
        books.buzz.charge(fee(user))


def test_without_the_look_up_a_hollow_success_passes_for_a_payment(
    books: Books, user: int, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: whoever believes the answer says that money moved that did not."""
    charge = fee(user)
    monkeypatch.setattr(type(books.buzz), "_legs", lambda *_: [])
    arm(service, {"kind": "hollow", "path": "/multi-transactions"})

    assert books.buzz.charge(charge) == []
    assert books.holds(user) == 1_000


class _LooksAtBalancesFirst(HttpBuzz):
    """Refuses whoever holds too little before it looks whether the key was used."""

    def _post(self, path: str, body: Any) -> HttpResponse:
        if self.balance(body["fromAccountId"]) < body["amount"]:
            return HttpResponse(400, {}, b'{"message": "insufficient funds"}')
        return super()._post(path, body)


def test_who_has_paid_with_the_last_buzz_does_not_hold_too_little(parts: Stack, books: Books, user: int) -> None:
    """Sent as if it were the first time, by a process whose PostgreSQL came back without its last commits."""
    buzz = _LooksAtBalancesFirst(HttpClient("the Buzz service", "buzz.url", parts.buzz.url, PATIENT_SECONDS))
    charge = msgspec.structs.replace(fee(user), amount=books.holds(user))

    first, again = buzz.charge(charge), buzz.charge(charge)

    assert first == again
    assert books.holds(user) == 0
