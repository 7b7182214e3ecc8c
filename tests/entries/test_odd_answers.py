"""A Buzz service that answers what it should not: the row waits or is parked, says why, and goes on afterwards."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.entries.scripted_buzz import ScriptedBuzz, said, scripted_buzz
from tests.entries.site import Site
from tests.entries.test_fees import due_now
from watcher.buzz.http import HttpBuzz
from watcher.postgres.own import outbox
from watcher.runtime.http_client import HttpClient

FEE = 100
LOOKED_UP, CHARGED, REFUNDED = (
    ("GET", "/multi-transactions?"),
    ("POST", "/multi-transactions"),
    ("POST", "/multi-transactions/refund"),
)
PREVIEW = ("GET", "/multi-transactions/preview")
DEEP = b"[" * 100_000


def legs(prefix: str, *amounts: Any) -> bytes:
    """What was collected, as the service tells it."""
    return json.dumps(
        [
            {"transactionId": "t", "externalTransactionId": f"{prefix}{at}", "accountType": "User", "amount": one}
            for at, one in enumerate(amounts)
        ]
    ).encode()


def odd_answers(prefix: str) -> dict[str, bytes]:
    """Answers to any question that are none."""
    return {
        "a page": said(b"<html>hello</html>"),
        "nothing": said(b""),
        "no content": said(b"", 204),
        "an object of nothing": said(b"{}"),
        "null": said(b"null"),
        "nested without end": said(b'[{"more": ' + DEEP),
        "nested without end, in an object": said(b'{"more": ' + DEEP),
        "a NUL": said(b"no\x00thing", 400),
        "a NUL and a fault": said(b"no\x00thing", 500),
        "half a character": said(b"\xff\xfe\xed\xa0\x80", 500),
        "a redirect": said(b"", 302, location="/elsewhere"),
        "too many": said(b"", 429, retry_after="Wed, 21 Oct 2099 07:28:00 GMT"),
        "a status that is none": said(b"{}", 799),
        "no HTTP": b"\x00\x01\x02 hello\r\n\r\n",
        "less than it says": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]",
        "packed, and is not": said(b"[]", content_encoding="gzip"),
        "amounts as texts": said(legs(prefix, "100")),
        "amounts with a fraction": said(legs(prefix, 100.5)),
        "amounts below nothing": said(legs(prefix, -FEE)),
        "amounts beyond all": said(legs(prefix, 10**12)),
        "amounts that are too much together": said(legs(prefix, 2**31 - 1, 2**31 - 1)),
        "amounts that go back below nothing": said(b'{"totalRefunded": -100}'),
        "amounts that go back as a text": said(b'{"totalRefunded": "100"}'),
        "nothing goes back": said(b'{"totalRefunded": 0}'),
        "the same twice": said(legs(prefix, FEE)[:-1] + b"," + legs(prefix, FEE)[1:]),
    }


@pytest.fixture
def buzz(site: Site) -> Iterator[ScriptedBuzz]:
    """The books of the site, which say what they are told to."""
    with scripted_buzz() as made:
        site.buzz = HttpBuzz(HttpClient("the Buzz service", "buzz.url", made.url, 30.0))
        yield made


def holds_out(site: Site, buzz: ScriptedBuzz, kind: str, name: str) -> None:
    """Carry out what is due; the row of this kind is not done, and says why."""
    site.settle()
    state, error = site.all("SELECT state, error FROM SCHEMA.outbox WHERE kind = %s ORDER BY id DESC", kind)[0]

    assert state in {"pending", "unknown", "parked"}, (name, state)
    assert error, name
    assert error.replace("\ufffd", "x").isprintable(), (name, error)
    del buzz.asked[:]


def goes_on(site: Site) -> None:
    """Have an operator take up what was parked, and carry out what is due."""
    with site.open_session() as session:
        outbox.redrive(session, row_id=None, channel="buzz")
    due_now(site)
    site.settle()


def test_answers_to_who_asks_what_was_collected(site: Site, buzz: ScriptedBuzz) -> None:
    """Whatever comes, nobody is in or out by it, and the fee counts once it can be read."""
    entry = site.enter(site.crucible(entryFee=FEE), buzzTransactionId="site-1-")
    site.decide()
    for name, odd in odd_answers("site-1-").items():
        buzz.rules = {LOOKED_UP: odd}
        holds_out(site, buzz, "collect", name)
        assert site.verdict(entry) == ("waiting", ["fee_pending"], 0), name
        buzz.rules = {LOOKED_UP: said(b"", 503)}
        goes_on(site)
        due_now(site)

    buzz.rules = {LOOKED_UP: said(legs("site-1-", FEE))}
    goes_on(site)

    assert site.verdict(entry) == ("admitted", [], FEE)


def test_answers_to_a_charge(site: Site, buzz: ScriptedBuzz) -> None:
    """It is looked up before it is sent again, and sent once if the service has it."""
    for name, odd in odd_answers("other-").items():
        entry = site.enter(crucible := site.crucible(entryFee=FEE))
        site.decide()
        buzz.rules = {LOOKED_UP: said(b"[]"), CHARGED: odd, PREVIEW: said(b'{"isPossible": true}')}
        holds_out(site, buzz, "collect", name)
        assert site.verdict(entry) == ("waiting", ["fee_pending"], 0), name

        buzz.rules = {LOOKED_UP: said(legs(f"crucible-entry-{crucible}-{entry}-", FEE)), CHARGED: said(b"", 409)}
        goes_on(site)

        assert site.verdict(entry) == ("admitted", [], FEE), name
        assert len(buzz.moved()) == (name == "too many"), name  # nothing was taken then, so it is sent again


def test_answers_to_who_asks_whether_somebody_can_pay(site: Site, buzz: ScriptedBuzz) -> None:
    """Nobody is told to be poor by an answer that is none."""
    entry = site.enter(site.crucible(entryFee=FEE))
    site.decide()
    for name, odd in odd_answers("other-").items():
        buzz.rules = {LOOKED_UP: said(b"[]"), CHARGED: said(b"", 400), PREVIEW: odd}
        holds_out(site, buzz, "collect", name)
        assert site.verdict(entry) == ("waiting", ["fee_pending"], 0), name
        due_now(site)


def test_answers_to_a_refund(site: Site, buzz: ScriptedBuzz) -> None:
    """It counts as done once the service says that it went back, now or before."""
    for number, (name, odd) in enumerate(odd_answers("other-").items()):
        prefix = f"site-{number}-"
        entry = site.enter(site.crucible(entryFee=FEE), buzzTransactionId=prefix)
        buzz.rules = {REFUNDED: odd, LOOKED_UP: said(legs(prefix, FEE))}
        site.decide()
        site.settle()
        site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
        site.decide()
        holds_out(site, buzz, "refund", name)

        before = said(b'{"totalRefunded": 100}') if name == "too many" else said(b"{}", 409)
        buzz.rules = {REFUNDED: before, LOOKED_UP: said(legs(prefix, FEE))}
        goes_on(site)

        assert site.one("SELECT result->>'taken' FROM SCHEMA.outbox WHERE kind = 'refund' ORDER BY id DESC") == "100"
        assert site.verdict(entry) == ("withdrawn", [], 0), name


@pytest.mark.parametrize("found", ["its payment", "nothing"])
def test_a_refund_of_what_nobody_seems_to_know(site: Site, buzz: ScriptedBuzz, found: str) -> None:
    """A gateway without the service answers 404 as well: what was collected is not given up because of it."""
    entry = site.enter(site.crucible(entryFee=FEE), buzzTransactionId="site-1-")
    buzz.rules = {LOOKED_UP: said(legs("site-1-", FEE))}
    site.decide()
    site.settle()
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    site.decide()
    nothing = said(b'{"message": "no route"}', 404)
    buzz.rules = {REFUNDED: nothing, LOOKED_UP: said(legs("site-1-", FEE)) if found == "its payment" else nothing}
    holds_out(site, buzz, "refund", found)

    buzz.rules = {REFUNDED: said(b'{"totalRefunded": 100}'), LOOKED_UP: said(legs("site-1-", FEE))}
    goes_on(site)

    assert site.one("SELECT result->>'taken' FROM SCHEMA.outbox WHERE kind = 'refund'") == "100"


def test_a_row_that_cannot_be_carried_out_holds_up_no_other(site: Site, buzz: ScriptedBuzz) -> None:
    """It says why not, and is tried again until it is parked; the process that found it goes on."""
    site.run(
        "INSERT INTO SCHEMA.outbox (channel, kind, subject, key, payload) VALUES ('buzz', 'collect', 's', 'k', '{}')"
    )
    entry = site.enter(site.crucible(entryFee=FEE), buzzTransactionId="site-1-")
    buzz.rules = {LOOKED_UP: said(legs("site-1-", FEE))}
    site.decide()

    site.settle()

    assert site.all("SELECT state, error FROM SCHEMA.outbox WHERE key = 'k'") == [("unknown", "KeyError: 'source'")]
    assert site.verdict(entry) == ("admitted", [], FEE)
