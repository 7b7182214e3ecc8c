"""A page that an ingress or a proxy answers with is no word of the service behind it, whatever its status is."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from watcher.admin.connector.rest import Connect, ConnectRefusedError
from watcher.buzz.http import HttpBuzz
from watcher.model.buzz import Charge, Payout
from watcher.model.errors import TemporaryError
from watcher.runtime.http_client import HttpClient

PAGES = [b"<html><h1>Not Found</h1></html>", b"404 page not found\n", b"default backend - 404", b"\xff"]
CHARGE = Charge(prefix="crucible-entry-1:", user_id=7, amount=100, crucible_id=42, description="fee")
PRIZE = Payout(external_id="crucible-prize-1", user_id=7, amount=100, crucible_id=42, description="prize")


def client(status: int, page: bytes) -> HttpClient:
    """What reaches whoever answers everything with this page."""
    wire = httpx.MockTransport(lambda _: httpx.Response(status, content=page))
    return HttpClient("the service", "some.url", "http://s", 5.0, transport=wire)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("status", [404, 409])
@pytest.mark.parametrize(
    "asked",
    [
        lambda buzz: buzz.balance(7),
        lambda buzz: buzz.collected("crucible-entry-1:"),
        lambda buzz: buzz.charge(CHARGE),
        lambda buzz: buzz.refund("crucible-entry-1:", "refund"),
        lambda buzz: buzz.pay([PRIZE]),
        lambda buzz: buzz.pay([PRIZE], again=True),
    ],
    ids=["balance", "collected", "charge", "refund", "pay", "pay again"],
)
def test_buzz_waits(asked: Callable[[HttpBuzz], Any], status: int, page: bytes) -> None:
    """Nobody is poor, refunded or refused because an address is wrong."""
    with pytest.raises(TemporaryError, match=f"answers {status}"):
        asked(HttpBuzz(client(status, page)))


def test_the_service_s_own_answers_count() -> None:
    """It says that there is no such account or transaction as JSON, or without a body."""
    for body in (b"", b'{"message":"no such transaction"}'):
        buzz = HttpBuzz(client(404, body))

        assert (buzz.balance(7), buzz.collected("p:"), buzz.refund("p:", "r").before) == (0, [], True)


@pytest.mark.parametrize("page", PAGES)
def test_a_connector_is_not_missing_because_the_address_is_wrong(page: bytes) -> None:
    """Else it would be made a second time, elsewhere, or reported as deleted."""
    worker = Connect("http://c", 5.0, transport=httpx.MockTransport(lambda _: httpx.Response(404, content=page)))

    for ask in (worker.config, worker.status, worker.delete):
        with pytest.raises(ConnectRefusedError, match=r"connect\.url.*not Kafka Connect's"):
            ask("crucible")
