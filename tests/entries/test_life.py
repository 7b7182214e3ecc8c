"""Lives of entries: anything that people, neighbours and a dying process do, in any order, on a real PostgreSQL.

Whatever happened: no Buzz was made or lost, and each fee was taken and given back once at most. Once everything came to
rest, the pool is what was taken for those who take part, and each verdict is what a second implementation of the rules,
in plain SQL, says (``demo/entries``).
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, cast
from uuid import uuid4

import httpx
import msgspec
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from demo.entries import second_opinion
from tests.entries.site import Site
from tests.entries.test_fees import books, charged_by_the_site, due_now
from tests.histories import run_histories
from tests.scythe import Scythe
from tests.stack.faults import arm
from watcher.entries import decider, fee_executor
from watcher.entries.decider import Decider
from watcher.model import entry_decision
from watcher.model.buzz import Charge
from watcher.model.entry_decision import Decision, FeePolicy
from watcher.model.entry_verdict import Verdict, VerdictState
from watcher.outbox import dispatcher
from watcher.postgres.own import entry_facts
from watcher.postgres.own.outbox import NewRow
from watcher.runtime.failpoint import ENTRY_PLACES

SECOND_OPINION = second_opinion.logged("SCHEMA")
LOST_ANSWERS = ["500_after", "500_before", "close_after", "close_before", "503", "hollow", "garbage"]
RULES: dict[str, list[Any]] = {
    "nsfwLevel": [31, 31, 1, 8],
    "allowedResources": [None, None, None, "[70]", "[]", '{"baseModels": ["SDXL"]}', "[70, 71]"],
    "maxTotalEntries": [None, None, 2, 1],
    "entryLimit": [2, 1],
    "entryFee": [10, 10, 10, 0],
    "endAt": [None, None, None, None, "infinity", "2020-01-01"],
}
"""What a crucible may say, by column; what lets entries in stands there more often, so that lives go on."""
SCANS = [("Scanned", 1), ("Scanned", 8), ("Scanned", 0), ("Rescan", 1), ("Blocked", 32), ("Error", 0), ("Pending", 0)]
STILL_OWED = """
SELECT fee.prefix FROM SCHEMA.entry_fee fee JOIN SCHEMA.entry_verdict seen USING (entry_id)
 WHERE NOT fee.returned AND seen.verdict IN ('waiting', 'admitted')
UNION
SELECT entry."buzzTransactionId" FROM "CrucibleEntry" entry JOIN SCHEMA.entry_verdict seen ON seen.entry_id = entry.id
 WHERE entry."buzzTransactionId" <> '' AND seen.verdict = 'waiting'
"""
"""Payments that may be kept: of entries that are in or may come in. Whatever else was paid has gone back."""
COME_BACK = """
WITH gone AS (DELETE FROM "CrucibleEntry" WHERE id = %s RETURNING *)
INSERT INTO "CrucibleEntry" (id, "crucibleId", "userId", "imageId", "createdAt", "buzzTransactionId")
SELECT id, "crucibleId", "userId", "imageId", now(), coalesce(%s, "buzzTransactionId") FROM gone
"""
"""A row that is deleted, and another one with its id."""
PATIENCE_SECONDS = 60.0
MAX_ROUNDS = 12
"""Sweeps and settlements after which everything has come to rest. More would only hide that it does not."""


class Life(RuleBasedStateMachine):
    """One site, from nothing to rest."""

    site: Site
    service: httpx.Client
    scythe: Scythe
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.crucibles: list[int] = []
        self.entries: list[int] = []
        self.users = [self.site.user() for _ in range(3)]
        self.funded = sum(amount for _, _, amount in books(self.service)["balances"])
        for user, amount in zip(self.users, (1_000, 15, 0), strict=True):
            self.service.post("/_simulator/fund", json={"accountId": user, "accountType": "User", "amount": amount})
            self.funded += amount

    def teardown(self) -> None:
        """Bring everything to rest, look at all of it, and leave nothing for the next life."""
        try:
            self.come_to_rest()
            self.look()
        finally:
            arm(self.service)
            self.site.run('DELETE FROM "Crucible"')
            tables = (
                *("entry_verdict", "entry_fee", "entry_decision", "entry_crucible", "entry_digest", "outbox"),
                *("left_payment", "completed_crucible"),
            )
            self.site.run(f"TRUNCATE {', '.join(f'SCHEMA.{table}' for table in tables)}")

    @initialize()
    def begin(self) -> None:
        """There is a crucible with a fee, and two entries are in that have paid it."""
        self.crucibles.append(self.site.crucible(entryFee=10, entryLimit=2))
        self.entries += [self.site.enter(self.crucibles[0], self.users[0]) for _ in range(2)]
        self.come_to_rest()

    @precondition(lambda self: len(self.crucibles) < 2)
    @rule(columns=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in RULES.items()}))
    def open(self, columns: dict[str, Any]) -> None:
        """A crucible with any rules."""
        self.crucibles.append(self.site.crucible(**columns))

    @precondition(lambda self: self.crucibles)
    @rule(data=st.data(), payer=st.sampled_from(["nobody yet", "the site", "the site, in words only"]))
    def enter(self, data: st.DataObject, payer: str) -> None:
        """Anybody, with any image, sometimes one that is another's, or there already, or dated back."""
        crucible, user = data.draw(st.sampled_from(self.crucibles)), data.draw(st.sampled_from(self.users))
        owner = data.draw(st.sampled_from([user, user, user, self.users[0]]))
        ingestion, level = data.draw(st.sampled_from([("Scanned", 1)] * 4 + SCANS))
        image = self.site.image(owner, level, ingestion, data.draw(st.sampled_from([(), (70,), (70, 71)])))
        columns: dict[str, Any] = {}
        if payer != "nobody yet":
            columns["buzzTransactionId"] = f"site-{uuid4().hex}-"
        if payer == "the site" and user == self.users[0]:
            charged_by_the_site(self.service, user, columns["buzzTransactionId"], 7)
        if data.draw(st.integers(0, 4)) == 0:
            columns["createdAt"] = "2026-01-01"
        self.entries.append(self.site.enter(crucible, user, image, **columns))

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def enter_the_same_image(self, data: st.DataObject) -> None:
        """Once more, with an image that another entry has."""
        rows = self.site.all('SELECT "crucibleId", "userId", "imageId" FROM "CrucibleEntry"')
        assume(rows)
        self.entries.append(self.site.enter(*data.draw(st.sampled_from(sorted(rows)))))

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), scan=st.sampled_from(SCANS))
    def scan(self, data: st.DataObject, scan: tuple[str, int]) -> None:
        """An image is scanned, or scanned again."""
        self.site.run(
            'UPDATE "Image" SET ingestion = %s::"ImageIngestionStatus", "nsfwLevel" = %s '
            'WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)',
            *scan, data.draw(st.sampled_from(self.entries)),
        )  # fmt: skip

    @precondition(lambda self: self.crucibles)
    @rule(data=st.data(), column=st.sampled_from(sorted(RULES)))
    def change_the_rules(self, data: st.DataObject, column: str) -> None:
        """A rule becomes another one."""
        self.site.run(
            f'UPDATE "Crucible" SET "{column}" = %s WHERE id = %s',  # noqa: S608 - of the list above
            data.draw(st.sampled_from(RULES[column])), data.draw(st.sampled_from(self.crucibles)),
        )  # fmt: skip

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), whole=st.sampled_from([False, False, False, False, False, True]))
    def withdraw(self, data: st.DataObject, whole: bool) -> None:
        """An entry's row is deleted, or all of them, by a way that names none."""
        if whole:
            self.site.run('TRUNCATE "CrucibleEntry"')
        else:
            self.site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', data.draw(st.sampled_from(self.entries)))

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), how=st.sampled_from(["names another", "names none", "comes back", "comes back, paid anew"]))
    def rewrite(self, data: st.DataObject, how: str) -> None:
        """A row names another payment or none, or is deleted and there is another one with its id."""
        there = [entry for (entry,) in self.site.all('SELECT id FROM "CrucibleEntry" ORDER BY 1')]
        if not there:
            return
        entry, prefix = data.draw(st.sampled_from(there)), f"site-{uuid4().hex}-"
        if how in {"names another", "comes back, paid anew"}:
            charged_by_the_site(self.service, self.users[0], prefix, 3)
        if how.startswith("names"):
            named = prefix if how == "names another" else None
            self.site.run('UPDATE "CrucibleEntry" SET "buzzTransactionId" = %s WHERE id = %s', named, entry)
        else:
            self.site.run(COME_BACK, entry, prefix if how.endswith("anew") else None)

    @precondition(lambda self: self.crucibles)
    @rule(data=st.data(), how=st.sampled_from(["cancel", "nothing", "delete"]))
    def end(self, data: st.DataObject, how: str) -> None:
        """A crucible is deleted with its entries, or cancelled, or not yet."""
        crucible = data.draw(st.sampled_from(self.crucibles))
        if how == "nothing":
            return
        if how == "cancel":
            self.site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s", crucible)
        else:
            self.site.run('DELETE FROM "Crucible" WHERE id = %s', crucible)
        self.crucibles.remove(crucible)

    @rule(place=st.sampled_from(["", *ENTRY_PLACES[:3]]), times=st.integers(1, 2))
    def decide(self, place: str, times: int) -> None:
        """A sweep, perhaps of a process that dies in it."""
        self.scythe.run(self.site.decide, times if place else 0, place)

    @rule(
        place=st.sampled_from(["", "", *ENTRY_PLACES[2:]]),
        times=st.integers(1, 2),
        faults=st.lists(st.sampled_from(LOST_ANSWERS), max_size=2),
    )
    def settle(self, place: str, times: int, faults: list[str]) -> None:
        """What is due is carried out, perhaps by a process that dies in it, perhaps with answers that say nothing."""
        arm(self.service, *({"kind": kind, "path": "/multi-transactions"} for kind in faults))
        due_now(self.site)
        self.scythe.run(self.site.settle, times if place else 0, place)
        arm(self.service)

    @invariant()
    def money_moves_once(self) -> None:
        """At each moment: what was bought is there, and each entry was charged and refunded once at most."""
        told = books(self.service)
        assert sum(amount for _, _, amount in told["balances"]) == self.funded
        back = [one["refund_of"] for one in told["moved"] if one["refund_of"] is not None]
        assert len(back) == len(set(back))
        taken = Counter(
            one["external"].rsplit("-", 1)[0] + "-" for one in told["moved"] if one["from_account"] in self.users
        )
        assert not taken or taken.most_common(1)[0][1] == 1
        prefixes = {prefix for (prefix,) in self.site.all("SELECT prefix FROM SCHEMA.entry_fee")}
        assert {prefix for prefix in taken if prefix.startswith("crucible-entry-")} <= prefixes
        refunds = self.site.all("SELECT payload ->> 'prefix' FROM SCHEMA.outbox WHERE kind = 'refund'")
        assert len(refunds) == len(set(refunds))

    def come_to_rest(self) -> None:
        """Decide and settle until nothing is left to do."""
        arm(self.service)
        for _ in range(MAX_ROUNDS):
            self.site.decide()
            due_now(self.site)
            self.site.settle()
            written = self.site.all("SELECT count(*), max(id) FROM SCHEMA.entry_decision")
            self.site.decide()
            left = self.site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE state <> 'done'")
            if not left and written == self.site.all("SELECT count(*), max(id) FROM SCHEMA.entry_decision"):
                return
        rows = self.site.all("SELECT key, state, error FROM SCHEMA.outbox WHERE state <> 'done'")
        raise AssertionError(f"no rest: {rows}")

    def look(self) -> None:
        """Everything that must hold once nothing moves any more."""
        self.money_moves_once()
        held = self._held()
        for entry, state, fee, prefix in self.site.all(
            "SELECT seen.entry_id, seen.verdict, seen.fee, fee.prefix FROM SCHEMA.entry_verdict seen "
            "LEFT JOIN SCHEMA.entry_fee fee ON fee.entry_id = seen.entry_id AND NOT fee.returned"
        ):
            holds = sum(amount for external, amount in held.items() if prefix and external.startswith(prefix))
            self.seen[f"{state}, {'paid' if prefix else 'free'}"] += 1
            if state == "admitted":
                assert fee == holds, (entry, fee, holds)
            elif state != "waiting":
                assert (fee, holds) == (0, 0), (entry, state, fee, holds)
        kept = tuple(prefix for (prefix,) in self.site.all(STILL_OWED))
        assert [external for external in held if not external.startswith(kept)] == []
        self.seen["refunds"] += self.site.one(
            "SELECT count(*)::int FROM SCHEMA.outbox WHERE kind = 'refund' AND (result ->> 'refunded')::int > 0"
        )
        for entry, verdict, reasons, expected, why in self.site.all(SECOND_OPINION):
            assert (verdict, reasons) == (expected, why), entry
        last = "SELECT DISTINCT ON (entry_id) entry_id, verdict, reasons FROM SCHEMA.entry_decision ORDER BY 1, id DESC"
        assert self.site.all(last) == self.site.all(
            "SELECT entry_id, verdict, reasons FROM SCHEMA.entry_verdict ORDER BY 1"
        )

    def _held(self) -> dict[str, int]:
        """Fees that were taken and not given back, by external id."""
        moved = books(self.service)["moved"]
        back = {one["refund_of"] for one in moved if one["refund_of"] is not None}
        return {
            one["external"]: one["amount"]
            for one in moved
            if one["from_account"] in self.users and one["id"] not in back
        }


def live(site: Site, service: httpx.Client, patch: pytest.MonkeyPatch) -> type[Life]:
    """Return the lives of a site."""
    return cast(
        "type[Life]",
        type(
            "Life",
            (Life,),
            {"site": site, "service": service, "scythe": Scythe(patch, decider, dispatcher), "seen": Counter()},
        ),
    )


def test_every_life(site: Site, service: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    lives = live(site, service, monkeypatch)

    run_histories(lives, examples=15, steps=20)

    ends = {f"{state}, paid" for state in ("admitted", "rejected", "withdrawn")}
    assert ends - lives.seen.keys() == set(), f"the lives are too alike: {lives.seen}"
    assert lives.scythe.killed.total() > 3
    assert lives.seen["refunds"] > 3


@pytest.fixture
def life(site: Site, service: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Life:
    """One life that a test leads by itself."""
    return live(site, service, monkeypatch)()


def test_a_key_made_for_each_attempt_charges_twice(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same name at each attempt is what makes two requests one charge."""

    def named_anew(payload: dict[str, Any]) -> Charge:
        return msgspec.structs.replace(charge(payload), prefix=f"{payload['prefix']}{uuid4().hex}-")

    charge = fee_executor._charge
    monkeypatch.setattr(fee_executor, "_charge", named_anew)
    life.site.enter(life.site.crucible(entryFee=10), life.users[0])
    life.site.decide()
    life.scythe.run(life.site.settle, 1, "outbox.answered")
    due_now(life.site)
    life.site.settle()

    assert sum(one["from_account"] == life.users[0] for one in books(life.service)["moved"]) == 2
    with pytest.raises(AssertionError):
        life.money_moves_once()


def rejected_and_let_in_again(life: Life) -> None:
    """An entry that paid is rejected for its level, for its resources besides, and then for nothing any more."""
    crucible = life.site.crucible(entryFee=10)
    life.site.enter(crucible, life.users[0])
    life.come_to_rest()
    for level, resources in ((8, None), (8, "[70]"), (31, None)):
        life.site.run(
            'UPDATE "Crucible" SET "nsfwLevel" = %s, "allowedResources" = %s WHERE id = %s', level, resources, crucible
        )
        life.come_to_rest()


def test_a_fee_that_went_back_is_in_no_pool(life: Life) -> None:
    rejected_and_let_in_again(life)

    life.look()
    assert life.site.all("SELECT verdict, fee FROM SCHEMA.entry_verdict") == [("rejected", 0)]


def test_a_verdict_that_is_not_final_counts_what_went_back(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: after its refund an entry would be in, with a fee that nobody holds any more."""
    monkeypatch.setattr(entry_decision, "_is_final", lambda *_: False)

    rejected_and_let_in_again(life)

    life.money_moves_once()
    with pytest.raises(AssertionError):
        life.look()


def test_a_refund_named_anew_is_asked_for_twice(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without its name made of ids, a second reason would be a second refund."""

    def named_anew(decisions: Iterable[Decision]) -> Iterator[NewRow]:
        for row in rows(decisions):
            yield msgspec.structs.replace(row, key=uuid4().hex) if row.kind == "refund" else row

    rows = decider._outbox_rows
    monkeypatch.setattr(entry_decision, "_is_final", lambda *_: False)
    monkeypatch.setattr(decider, "_outbox_rows", named_anew)

    rejected_and_let_in_again(life)

    assert life.site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE kind = 'refund'") == 2
    with pytest.raises(AssertionError):
        life.money_moves_once()


def test_the_second_opinion_differs_where_a_rule_is_forgotten(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the SQL: it finds what the program would let through."""
    monkeypatch.setattr(entry_decision, "decide", lambda _: Verdict(VerdictState.ADMITTED))
    life.site.enter(life.site.crucible(nsfwLevel=8))
    life.site.decide()

    with pytest.raises(AssertionError):
        life.look()


@pytest.mark.parametrize(("locked", "let_in"), [(True, 1), (False, 2)], ids=["locked", "control: not locked"])
def test_the_last_place_is_given_once(site: Site, monkeypatch: pytest.MonkeyPatch, locked: bool, let_in: int) -> None:
    """One process has read that there is a place, and stands still; another finds an entry that came before."""
    reached, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def decide(entry: int) -> None:
        with site.open_session() as session:
            Decider(FeePolicy(), "watch").decide(session, [entry])

    def pause(place: str) -> None:
        if place == "verdicts.decided" and not reached.is_set():
            reached.set()
            assert go_on.wait(PATIENCE_SECONDS)

    def decide_and_tell(entry: int) -> None:
        decide(entry)
        done.set()

    crucible = site.crucible(maxTotalEntries=1)
    site.enter(crucible, site.user(), site.image(site.user()))
    site.decide()  # somebody else's image: no place is taken, and no row of the crucible's own stands in the way
    monkeypatch.setattr(decider, "reach", pause)
    if not locked:
        monkeypatch.setattr(entry_facts, "lock_crucibles_of", lambda *_: [crucible])
    slow = threading.Thread(target=decide, args=[site.enter(crucible, createdAt="2026-01-02")])
    slow.start()
    assert reached.wait(PATIENCE_SECONDS)
    fast = threading.Thread(target=decide_and_tell, args=[site.enter(crucible, createdAt="2026-01-01")])
    fast.start()
    try:
        while not done.is_set() and not site.one("SELECT count(*)::int FROM pg_locks WHERE NOT granted"):
            done.wait(0.05)
        assert done.is_set() is not locked
    finally:
        go_on.set()
        for thread in (slow, fast):
            thread.join(PATIENCE_SECONDS)

    assert site.one("SELECT count(*)::int FROM SCHEMA.entry_verdict WHERE verdict = 'admitted'") == let_in
