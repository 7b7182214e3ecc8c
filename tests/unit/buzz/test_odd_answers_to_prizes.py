"""Whatever a service answers to a prize, it is paid by what can be looked up and by nothing else."""

import httpx
import pytest

from watcher.buzz.http import HttpBuzz
from watcher.buzz.port import BuzzRefusedError
from watcher.model.buzz import Paid, Payout
from watcher.model.errors import TemporaryError
from watcher.runtime.http_client import HttpClient

PRIZE = Payout("crucible-prize-1-1", 7, 5, 1, "Crucible prize - 1st place")
BODIES = {
    "nothing": b"",
    "a page": b"<html>",
    "no text": b"\xff\x00",
    "null": b"null",
    "an object of nothing": b"{}",
    "nested without end": b'{"transactions": ' + b"[" * 100_000,
    "null for lists": b'{"transactions": null, "conflicts": null}',
    "null in a list": b'{"transactions": [null], "conflicts": []}',
    "done": b'{"transactions": ["t"], "conflicts": []}',
    "done before": b'{"transactions": [], "conflicts": ["crucible-prize-1-1"]}',
    "left out": b'{"transactions": [], "conflicts": []}',
}


@pytest.mark.parametrize(
    "found", [b"", b"{}", b'{"amount": "5", "toAccountId": 7}', b'{"amount": 6, "toAccountId": 7}']
)
@pytest.mark.parametrize("status", [200, 202, 204, 302, 400, 404, 409, 429, 500, 799])
def test_no_answer_alone_is_taken_for_a_prize(status: int, found: bytes) -> None:
    """Nobody can look it up, or it is another one: it is not said to be paid."""
    for name, body in BODIES.items():

        def answer(request: httpx.Request, body: bytes = body) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200 if found else 404, content=found)
            return httpx.Response(status, content=body)

        buzz = HttpBuzz(
            HttpClient("Buzz", "buzz.url", "http://127.0.0.1:9", 5.0, transport=httpx.MockTransport(answer))
        )
        try:
            paid = buzz.pay([PRIZE])
        except (TemporaryError, BuzzRefusedError):
            continue

        assert (paid, status in {200, 202, 204}, found) == ([Paid.REFUSED], True, b""), name
