"""Fees on a real PostgreSQL and the double of the Buzz service: each collected once, and given back once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest

from tests.awaiting import await_that
from tests.entries.site import Site, carry_out
from tests.stack.faults import arm
from watcher.buzz.http import HttpBuzz
from watcher.entries.decider import Decider
from watcher.model.entry_decision import FeePolicy
from watcher.postgres.own import entry_facts
from watcher.postgres.own.entry_facts import FoundEntry
from watcher.runtime.http_client import HttpClient

FEE = 100


@pytest.fixture
def rich(site: Site, service: httpx.Client) -> int:
    """A user who holds 1,000 Buzz."""
    user = site.user()
    service.post("/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": 1_000})
    return user


def books(service: httpx.Client) -> dict[str, Any]:
    """What really moved."""
    told: dict[str, Any] = service.post("/_simulator/books", json={}).json()
    return told


def holds(service: httpx.Client, user: int, kind: str = "User") -> int:
    """What an account holds."""
    return next((amount for account, of, amount in books(service)["balances"] if (account, of) == (user, kind)), 0)


def legs(service: httpx.Client, user: int) -> tuple[int, int]:
    """How many fees of a user were taken, and how many went back."""
    moved = books(service)["moved"]
    return (
        sum(one["from_account"] == user for one in moved),
        sum(one["to_account"] == user and one["refund_of"] is not None for one in moved),
    )


def due_now(site: Site) -> None:
    """Have nothing wait for its next attempt."""
    site.run("UPDATE SCHEMA.outbox SET next_at = now(), claimed_until = now() - interval '1 s' WHERE state <> 'done'")


def settle_all(site: Site) -> None:
    """Carry out everything there is, as often as it takes: on a busy machine an answer may come too late to be one."""

    def done() -> bool:
        due_now(site)
        site.settle()
        return not site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE state IN ('pending', 'sending', 'unknown')")

    await_that(done, "everything to be carried out")


def test_a_fee_is_charged_and_the_entry_is_in(site: Site, rich: int, service: httpx.Client) -> None:
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    assert site.verdict(entry) == ("waiting", ["fee_pending"], 0)

    site.settle()

    assert site.verdict(entry) == ("admitted", [], FEE)
    assert holds(service, rich) == 900
    site.decide()
    assert site.verdict(entry) == ("admitted", [], FEE)


def test_who_has_too_little_is_not_in(site: Site, service: httpx.Client) -> None:
    entry = site.enter(site.crucible(entryFee=FEE))

    site.decide()
    site.settle()

    assert site.verdict(entry) == ("rejected", ["insufficient_funds"], 0)
    assert site.all("SELECT kind, state FROM SCHEMA.outbox") == [("collect", "done")]


def test_nobody_pays_for_an_entry_that_breaks_a_rule(site: Site, rich: int, service: httpx.Client) -> None:
    site.enter(site.crucible(entryFee=FEE, nsfwLevel=8), rich)

    site.decide()
    site.settle()

    assert legs(service, rich) == (0, 0)
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox") == 0


def charged_by_the_site(service: httpx.Client, user: int, prefix: str, amount: int = FEE, kind: str = "yellow") -> None:
    """A fee as the site takes it."""
    body = {
        "fromAccountTypes": [kind], "fromAccountId": user, "toAccountId": 0, "amount": amount, "type": 25,
        "externalTransactionIdPrefix": prefix, "description": "Crucible entry fee",
    }  # fmt: skip
    assert service.post("/multi-transactions", json=body).status_code == 200


def test_what_the_site_really_collected_counts(site: Site, rich: int, service: httpx.Client) -> None:
    crucible = site.crucible(entryFee=FEE, entryLimit=9)
    charged_by_the_site(service, rich, f"site-{rich}-1", 60)
    paid = site.enter(crucible, rich, buzzTransactionId=f"site-{rich}-1")
    unpaid = site.enter(crucible, rich, buzzTransactionId=f"site-{rich}-2")

    site.decide()
    site.settle()

    assert site.verdict(paid) == ("admitted", [], 60)
    assert site.verdict(unpaid) == ("rejected", ["unpaid"], 0)
    assert holds(service, rich) == 940


def test_buzz_of_another_kind_goes_back(site: Site, service: httpx.Client) -> None:
    user = site.user()
    service.post("/_simulator/fund", json={"accountId": user, "accountType": "Green", "amount": 1_000})
    charged_by_the_site(service, user, f"site-{user}-", kind="green")
    entry = site.enter(site.crucible(entryFee=FEE), user, buzzTransactionId=f"site-{user}-")

    site.decide()
    site.settle()

    assert site.verdict(entry) == ("rejected", ["wrong_account_type"], 0)
    assert holds(service, user, "Green") == 1_000


@pytest.mark.parametrize("when", ["before it is known", "after it is known"])
def test_a_rejected_entry_that_the_site_charged_is_refunded_once(
    site: Site, rich: int, service: httpx.Client, when: str
) -> None:
    charged_by_the_site(service, rich, f"site-{rich}-")
    levels = 8 if when.startswith("before") else 31
    entry = site.enter(site.crucible(entryFee=FEE, nsfwLevel=levels), rich, buzzTransactionId=f"site-{rich}-")
    site.decide()
    site.settle()
    if when.startswith("after"):
        assert site.verdict(entry) == ("admitted", [], FEE)
        site.run('UPDATE "Crucible" SET "nsfwLevel" = 8')
        site.decide()

    for _ in range(2):
        site.settle()
        site.decide()

    assert site.verdict(entry) == ("rejected", ["level_not_allowed"], 0)
    assert holds(service, rich) == 1_000
    assert legs(service, rich) == (1, 1)


def test_a_withdrawn_entry_is_refunded_once(site: Site, rich: int, service: httpx.Client) -> None:
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    site.settle()

    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    for _ in range(2):
        site.decide()
        site.settle()

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert holds(service, rich) == 1_000
    assert legs(service, rich) == (1, 1)


@pytest.mark.parametrize("payer", ["the site", "we"])
@pytest.mark.parametrize(
    ("state", "reasons"), [("for its scan", ["image_not_scanned"]), ("for its fee", []), ("in", [])]
)
def test_a_cancelled_crucible_gives_back_what_waits(
    site: Site, rich: int, service: httpx.Client, payer: str, state: str, reasons: list[str]
) -> None:
    crucible, columns = site.crucible(entryFee=FEE), {}
    if payer == "the site":
        charged_by_the_site(service, rich, f"site-{rich}-")
        columns = {"buzzTransactionId": f"site-{rich}-"}
    image = site.image(rich, 0, "Pending") if state == "for its scan" else site.image(rich)
    entry = site.enter(crucible, rich, image, **columns)
    site.decide()
    if state == "in":
        site.settle()
        assert site.verdict(entry) == ("admitted", [], FEE)

    site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s", crucible)
    for _ in range(2):
        site.decide()
        site.settle()

    assert site.verdict(entry) == ("rejected", ["crucible_not_active", *reasons], 0)
    assert holds(service, rich) == 1_000


@pytest.mark.parametrize("lost", ["the end of the row", "everything of the entry"])
@pytest.mark.parametrize("held", [1_000, FEE])
def test_a_server_that_fails_over_without_its_last_commits_charges_once(
    site: Site, service: httpx.Client, lost: str, held: int
) -> None:
    """What a standby has not heard of was sent all the same, also what the user could not pay a second time."""
    user = site.user()
    service.post("/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": held})
    entry = site.enter(site.crucible(entryFee=FEE), user)
    site.decide()
    tables = ("entry_verdict", "entry_fee", "entry_decision", "entry_digest", "outbox", "crucible_event")
    for table in tables:
        site.run(f"CREATE TABLE SCHEMA.{table}_kept AS TABLE SCHEMA.{table}")
    site.settle()
    assert site.verdict(entry) == ("admitted", [], FEE)

    for table in tables:
        site.run(f"TRUNCATE SCHEMA.{table}")
        if lost == "the end of the row":
            site.run(f"INSERT INTO SCHEMA.{table} OVERRIDING SYSTEM VALUE TABLE SCHEMA.{table}_kept")
    for _ in range(2):
        site.decide()
        site.settle()

    assert site.verdict(entry) == ("admitted", [], FEE)
    assert legs(service, user) == (1, 0)
    assert holds(service, user) == held - FEE


def test_a_deleted_crucible_gives_back_what_it_took(site: Site, rich: int, service: httpx.Client) -> None:
    crucible = site.crucible(entryFee=FEE)
    entry = site.enter(crucible, rich)
    site.decide()
    site.settle()

    site.run('DELETE FROM "Crucible" WHERE id = %s', crucible)
    site.decide()
    site.settle()

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert holds(service, rich) == 1_000


def test_an_entry_that_goes_while_it_is_charged_gets_it_back(site: Site, rich: int, service: httpx.Client) -> None:
    """The charge was carried out and its answer lost; the refund waits until that is known."""
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    arm(service, {"kind": "500_after", "path": "/multi-transactions"})
    site.settle()
    assert holds(service, rich) == 900

    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    site.decide()
    settle_all(site)

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert holds(service, rich) == 1_000
    assert legs(service, rich) == (1, 1)


def test_an_entry_that_went_before_it_was_charged_never_is(site: Site, rich: int, service: httpx.Client) -> None:
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    site.decide()

    site.settle()

    assert legs(service, rich) == (0, 0)
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE state <> 'done'") == 0


def give_up_soon(site: Site, parts: Any, kind: str) -> None:
    """Wait no longer than it takes where the service is to hang."""
    if kind.startswith("hang"):
        site.buzz = HttpBuzz(HttpClient("the Buzz service", "buzz.url", parts.buzz.url, 2.0))


UNKNOWN = [
    "hang_after",
    "hang_before",
    "close_after",
    "close_before",
    "500_after",
    "500_before",
    "503",
    "hollow",
    "garbage",
]


@pytest.mark.parametrize("kind", UNKNOWN)
def test_one_charge_whatever_the_service_answers(
    site: Site, rich: int, service: httpx.Client, kind: str, parts: Any
) -> None:
    give_up_soon(site, parts, kind)
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    arm(service, {"kind": kind, "path": "/multi-transactions"})
    site.settle()

    settle_all(site)

    assert site.verdict(entry) == ("admitted", [], FEE)
    assert legs(service, rich) == (1, 0)


@pytest.mark.parametrize("kind", UNKNOWN)
def test_one_refund_whatever_the_service_answers(
    site: Site, rich: int, service: httpx.Client, kind: str, parts: Any
) -> None:
    give_up_soon(site, parts, kind)
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    site.settle()
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    site.decide()
    arm(service, {"kind": kind, "path": "/multi-transactions/refund"})
    site.settle()

    settle_all(site)

    assert holds(service, rich) == 1_000
    assert legs(service, rich) == (1, 1)


def test_a_service_that_is_away_for_long(site: Site, rich: int, service: httpx.Client, parts: Any) -> None:
    """Nothing is parked, nothing lost, and the entry comes in when it is back."""
    entry = site.enter(site.crucible(entryFee=FEE), rich)
    site.decide()
    parts.buzz.kill()
    try:
        for _ in range(5):
            site.settle()
            due_now(site)
        assert site.all("SELECT state, attempts FROM SCHEMA.outbox") == [("pending", 5)]
    finally:
        parts.buzz.start()
        parts.buzz.await_ready()

    site.settle()

    assert site.verdict(entry) == ("admitted", [], FEE)


def test_a_refused_charge_is_parked_with_its_reason(site: Site, rich: int, service: httpx.Client) -> None:
    """The key was used for another amount: somebody has to look, and the entry waits."""
    crucible = site.crucible(entryFee=FEE)
    entry = site.enter(crucible, rich)
    charged_by_the_site(service, rich, f"crucible-entry-{crucible}-{entry}-", 7)
    site.decide()

    site.settle()

    ((state, error),) = site.all("SELECT state, error FROM SCHEMA.outbox")
    assert state == "parked"
    assert "was charged with 7 Buzz, and now stands for 100" in error
    assert site.verdict(entry) == ("waiting", ["fee_pending"], 0)


def test_many_dispatchers_charge_once(site: Site, rich: int, service: httpx.Client) -> None:
    crucible = site.crucible(entryFee=10, entryLimit=50)
    entries = [site.enter(crucible, rich) for _ in range(20)]
    site.decide()

    def settle(number: int) -> None:
        carry_out(site.dispatcher(f"process {number}"))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(settle, range(4)))

    assert [site.verdict(one) for one in entries] == [("admitted", [], 10)] * 20
    assert legs(service, rich) == (20, 0)


def test_observing_moves_nothing(site: Site, rich: int, service: httpx.Client) -> None:
    entry = site.enter(site.crucible(entryFee=FEE), rich)

    site.decide(FeePolicy(observe=True))
    site.settle()

    assert site.verdict(entry) == ("admitted", [], 0)
    assert legs(service, rich) == (0, 0)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("first", ["admitted", "rejected"])
def test_one_payment_is_one_entry_s(site: Site, rich: int, service: httpx.Client, at_once: bool, first: str) -> None:
    """A prefix that stands in two rows was paid once: the second entry is unpaid, and gives nothing back."""
    one, other = site.crucible(entryFee=FEE, nsfwLevel=8 if first == "rejected" else 31), site.crucible(entryFee=FEE)
    prefix = f"site-{rich}-"
    charged_by_the_site(service, rich, prefix)
    entry = site.enter(one, rich, buzzTransactionId=prefix)
    if not at_once:
        site.decide(FeePolicy(charge=False))
        site.settle()
    twice = site.enter(other, rich, buzzTransactionId=prefix)

    for _ in range(3):
        site.decide(FeePolicy(charge=False))
        site.settle()

    assert site.verdict(twice) == ("rejected", ["unpaid"], 0)
    assert (site.verdict(entry) or [""])[0] == first
    assert holds(service, rich) == (1_000 if first == "rejected" else 900)
    assert legs(service, rich)[1] == (1 if first == "rejected" else 0)


def test_one_payment_named_in_two_processes_at_once(
    site: Site, rich: int, service: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads before the other has written finds nothing, and waits for a fee that never comes."""
    prefix = f"site-{rich}-"
    charged_by_the_site(service, rich, prefix)
    first = site.enter(site.crucible(entryFee=FEE), rich, buzzTransactionId=prefix)
    site.decide(FeePolicy(charge=False))
    second = site.enter(site.crucible(entryFee=FEE), rich, buzzTransactionId=prefix)
    with monkeypatch.context() as patch:
        facts = entry_facts.facts
        patch.setattr(
            entry_facts,
            "facts",
            lambda *given, **named: [
                FoundEntry(msgspec.structs.replace(one.candidate, site_prefix=prefix), one.digest)
                for one in facts(*given, **named)
            ],
        )
        with site.open_session() as session:
            Decider(FeePolicy(charge=False), "watch").decide(session, [second])
    assert site.verdict(second) == ("waiting", ["fee_pending"], 0)

    for _ in range(2):
        site.decide(FeePolicy(charge=False))
        site.settle()

    assert site.verdict(first) == ("admitted", [], FEE)
    assert site.verdict(second) == ("rejected", ["unpaid"], 0)
    assert legs(service, rich) == (1, 0)
