"""The Buzz service's double: what its documentation says of the real one, quirks included."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stack.topology import Stack

USER, OTHER = 7, 8


class Service:
    """The service as a client sees it, and its books as an audit does."""

    def __init__(self, stack: Stack) -> None:
        self.part = stack.buzz
        self.http = httpx.Client(base_url=stack.buzz.url, timeout=2.0)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        answer = self.http.post(path, json=body)
        return answer.status_code, answer.json()

    def fund(self, user: int, kind: str, amount: int) -> None:
        self.post("/_simulator/fund", {"accountId": user, "accountType": kind, "amount": amount})

    def arm(self, *faults: dict[str, Any]) -> None:
        self.post("/_simulator/faults", list(faults))

    def balances(self) -> dict[tuple[int, str], int]:
        return {(account, kind): amount for account, kind, amount in self.post("/_simulator/books", {})[1]["balances"]}

    def moved(self) -> int:
        return len(self.post("/_simulator/books", {})[1]["moved"])


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(parts=["buzz"]) as running:
        yield running


@pytest.fixture
def service(stack: Stack) -> Iterator[Service]:
    service = Service(stack)
    service.fund(USER, "User", 1_000 - service.balances().get((USER, "User"), 0))
    yield service
    service.arm()
    service.http.close()


def fee(prefix: str, amount: int = 100, **more: Any) -> dict[str, Any]:
    """The body of a fee from the user to the bank."""
    return {
        "fromAccountTypes": ["yellow"], "fromAccountId": USER, "toAccountId": 0, "amount": amount, "type": 25,
        "description": "Crucible entry fee", "externalTransactionIdPrefix": prefix, **more,
    }  # fmt: skip


def leg(external: str, amount: int, *, payer: int = 0, payee: int = OTHER) -> dict[str, Any]:
    """One transaction of a batch."""
    return {
        "fromAccountId": payer, "toAccountId": payee, "amount": amount, "type": 5, "description": "prize",
        "externalTransactionId": external,
    }  # fmt: skip


def test_a_fee_moves_once_however_often_it_is_sent(service: Service) -> None:
    before = service.balances()

    first = service.post("/multi-transactions", fee("once-"))
    second = service.post("/multi-transactions", fee("once-"))

    assert first[1]["transactionIds"][0]["duplicate"] is False
    assert second[1]["transactionIds"][0]["duplicate"] is True
    after = service.balances()
    assert after[USER, "User"] == before[USER, "User"] - 100
    assert after[0, "User"] == before.get((0, "User"), 0) + 100


def test_who_holds_too_little_is_refused_and_the_bank_never_is(service: Service) -> None:
    assert service.post("/multi-transactions", fee("poor-", 100_000))[0] == 400
    assert service.post("/multi-transactions", fee("bank-", fromAccountId=0))[0] == 400
    assert service.post("/transactions", [leg("mint-1", 5_000_000)])[1]["conflicts"] == []


def test_a_leg_that_is_refused_stands_in_neither_list(service: Service) -> None:
    legs = [leg("neither-1", 1), leg("neither-2", 1, payer=99), leg("neither-1", 1)]

    status, answer = service.post("/transactions", legs)

    assert status == 200
    assert len(answer["transactions"]) == 1
    assert answer["conflicts"] == ["neither-1"]
    assert service.http.get("/transactions/neither-2").status_code == 404


def test_one_leg_to_itself_breaks_the_whole_batch(service: Service) -> None:
    before = service.moved()

    assert service.post("/transactions", [leg("whole-1", 1), leg("whole-2", 1, payee=0)])[0] == 400
    assert service.moved() == before


def test_a_single_replay_is_a_conflict(service: Service) -> None:
    assert service.post("/transaction", leg("single-1", 5))[0] == 200
    assert service.post("/transaction", leg("single-1", 5))[0] == 409


def test_a_refund_is_by_prefix_and_once(service: Service) -> None:
    """5 matches 50 too, unless the prefix ends in a delimiter; and a refunded id stays taken."""
    for prefix in ("fee-5", "fee-50"):
        service.post("/multi-transactions", fee(prefix, 10))
    before = service.balances()[USER, "User"]

    status, answer = service.post("/multi-transactions/refund", {"externalTransactionIdPrefix": "fee-5"})

    assert (status, answer["totalRefunded"]) == (200, 20)
    assert service.balances()[USER, "User"] == before + 20
    assert service.post("/multi-transactions/refund", {"externalTransactionIdPrefix": "fee-5"})[0] == 409
    assert service.post("/multi-transactions/refund", {"externalTransactionIdPrefix": "nobody-"})[0] == 404
    assert service.post("/multi-transactions", fee("fee-5", 10))[1]["transactionIds"][0]["duplicate"] is True
    assert service.balances()[USER, "User"] == before + 20


def test_a_success_that_is_none(service: Service) -> None:
    before = service.moved()
    service.arm({"kind": "hollow"})

    status, answer = service.post("/transaction", leg("hollow-1", 5))

    assert (status, answer["transactionId"]) == (202, None)
    assert service.moved() == before


@pytest.mark.parametrize(("kind", "moves"), [("500_before", 0), ("500_after", 1), ("garbage", 1), ("503", 0)])
def test_an_answer_that_says_nothing_of_what_happened(service: Service, kind: str, moves: int) -> None:
    before = service.moved()
    service.arm({"kind": kind})

    answer = service.http.post("/transaction", json=leg(f"{kind}-1", 5))

    assert answer.status_code in {200, 500, 503}
    assert service.moved() == before + moves


@pytest.mark.parametrize(("kind", "moves"), [("close_before", 0), ("close_after", 1)])
def test_a_connection_that_ends_without_an_answer(service: Service, kind: str, moves: int) -> None:
    before = service.moved()
    service.arm({"kind": kind})

    with pytest.raises(httpx.RemoteProtocolError):
        service.http.post("/transaction", json=leg(f"{kind}-1", 5))

    assert service.moved() == before + moves


def test_a_request_that_times_out_after_it_was_carried_out(service: Service) -> None:
    service.arm({"kind": "hang_after", "path": "/transaction"})

    with pytest.raises(httpx.ReadTimeout):
        service.http.post("/transaction", json=leg("late-1", 5), timeout=0.5)

    assert service.http.get("/transactions/late-1").json()["amount"] == 5


def test_the_books_outlive_kill_9(service: Service) -> None:
    service.post("/transaction", leg("killed-1", 5))
    before = service.balances()

    service.part.kill()
    service.part.start()
    service.part.await_ready()

    assert service.balances() == before
    assert service.post("/transaction", leg("killed-1", 5))[0] == 409
