"""Whole lives of crucibles: entered, judged, ended, cancelled, deleted, by processes that die and services that lie.

Whatever happened: no Buzz was made or lost, and each prize and each refund went once. Once everything came to rest, a
crucible has a result or has given everything back; a result is what a replay of its votes and a second implementation
in plain SQL (``demo/endings``) say; and what was kept of its fees is its pool.
"""

from collections import Counter
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from demo.endings.ending_audit import differing
from tests.entries.test_fees import books
from tests.histories import run_histories
from tests.scythe import Scythe
from tests.settlement.endings import FUTURE, Endings
from tests.stack.faults import arm
from watcher.model.prizes import Division, Shares
from watcher.model.settlement import FOLLOWING, SettlementState
from watcher.outbox import dispatcher
from watcher.postgres.own import settlement
from watcher.settlement import cancelling, refunds, result, steps, watch_endings

DIVISIONS = [
    '{"1": 50, "2": 30, "3": 20}',
    '{"1": 33.3}',
    '[{"position": 2, "percentage": 29}, {"position": 1, "percentage": 57}]',
    "[]",
    '{"1": 100}',
    '{"1": 101}',
]
IN_TIME = "2025-12-31"
"""Before the end of any crucible that is over."""
LOST_ANSWERS = ["500_after", "500_before", "close_after", "503", "garbage"]
MORTAL = (dispatcher, refunds, result, steps, watch_endings)
"""Modules whose places to crash count."""
MAX_ROUNDS = 8
"""Turns after which everything has come to rest. More would only hide that it does not."""


class WholeLife(RuleBasedStateMachine):
    """One site, from nothing to rest."""

    endings: Endings
    scythe: Scythe
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.crucibles: list[int] = []
        self.entries: dict[int, int] = {}
        self.endings.ballots.__init__()  # type: ignore[misc]
        self.endings.outcomes.clear()
        self.funded = sum(amount for _, _, amount in books(self.endings.service)["balances"])
        self.users = [self.endings.rich() for _ in range(3)]
        self.funded += 3_000

    def teardown(self) -> None:
        """Bring everything to rest, look at all of it, and leave nothing for the next life."""
        site = self.endings.site
        try:
            for crucible in self.crucibles[:2]:
                self.endings.end(crucible)
            for places in range(3, 12, 2):
                self.settle_and_die([places, 2])
            self.come_to_rest()
            self.vote_too_late()
            self.look()
        finally:
            arm(self.endings.service)
            site.run('DELETE FROM "Crucible"')
            tables = (
                *("entry_verdict", "entry_fee", "entry_decision", "entry_crucible", "entry_digest", "outbox", "notice"),
                *("settlement", "settlement_step", "settlement_prize", "crucible_event"),
                *("left_payment", "completed_crucible"),
            )
            site.run(f"TRUNCATE {', '.join(f'SCHEMA.{table}' for table in tables)}")

    @initialize(division=st.sampled_from(DIVISIONS))
    def begin(self, division: str) -> None:
        """There is a crucible with three entries that have paid, and one that will be parked."""
        self.open(division)
        self.open('{"1": 101}')
        for user in (*self.users[:2], self.users[0]):
            self.entries[self.endings.site.enter(self.crucibles[0], user, createdAt=IN_TIME)] = self.crucibles[0]
        self.endings.site.decide()
        self.endings.pay()

    @precondition(lambda self: len(self.crucibles) < 3)
    @rule(division=st.sampled_from(DIVISIONS))
    def open(self, division: str) -> None:
        """A crucible."""
        self.crucibles.append(self.endings.crucible(entryFee=10, entryLimit=3, prizePositions=division))

    @rule(data=st.data(), scanned=st.sampled_from([True, True, True, False]))
    def enter(self, data: st.DataObject, scanned: bool) -> None:
        """Somebody enters an image, perhaps one that nobody has scanned yet, and is looked at or not."""
        crucible, user = data.draw(st.sampled_from(self.crucibles)), data.draw(st.sampled_from(self.users))
        image = self.endings.site.image(user, *((1, "Scanned") if scanned else (0, "Pending")))
        if self.endings.site.one('SELECT 1 FROM "Crucible" WHERE id = %s', crucible):
            columns = data.draw(st.sampled_from([{"createdAt": IN_TIME}] * 4 + [{}]))
            self.entries[self.endings.site.enter(crucible, user, image, **columns)] = crucible

    @rule(data=st.data())
    def vote(self, data: st.DataObject) -> None:
        """Judges prefer one of two entries, in each crucible; after its freeze that does not count."""
        for crucible in self.crucibles:
            mine = sorted(entry for entry, of in self.entries.items() if of == crucible)
            if len(mine) > 1:
                winner, loser = data.draw(st.permutations(mine))[:2]
                counted = self.endings.ballots.vote(crucible, winner, loser)
                self.seen["votes" if counted else "votes too late"] += 1

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """Its time is over."""
        self.endings.end(data.draw(st.sampled_from(self.crucibles)))

    @rule(data=st.data(), when=st.sampled_from([FUTURE, "infinity"]))
    def move_the_end(self, data: st.DataObject, when: str) -> None:
        """Its end is moved, or taken away; one that is frozen ends all the same."""
        if data.draw(st.integers(0, 2)) == 0:
            self.endings.end(data.draw(st.sampled_from(self.crucibles)), when)

    @rule(data=st.data(), how=st.sampled_from(["nobody", "the site", "an operator", "nobody", "deleted", "nobody"]))
    def cancel(self, data: st.DataObject, how: str) -> None:
        """A moderator cancels a crucible, or an operator, or it is deleted."""
        crucible, site = data.draw(st.sampled_from(self.crucibles)), self.endings.site
        if how == "the site":
            site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s AND status = 'Active'", crucible)
        elif how == "deleted" and len(self.crucibles) > 1:
            site.run('DELETE FROM "Crucible" WHERE id = %s', crucible)
        elif how == "an operator":
            with self.endings.open_session() as session:
                try:
                    cancelling.cancel(session, crucible, "somebody")
                except cancelling.TooLateError:
                    self.seen["cancelled too late"] += 1

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), how=st.sampled_from(["deleted", "hidden", "scanned"]))
    def change_entry(self, data: st.DataObject, how: str) -> None:
        """An entry is deleted, or its image hidden or scanned."""
        entry, site = data.draw(st.sampled_from(sorted(self.entries))), self.endings.site
        if how == "deleted":
            site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
        else:
            columns = "\"needsReview\" = 'minor'" if how == "hidden" else "ingestion = 'Scanned', \"nsfwLevel\" = 1"
            image = '(SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)'
            changed = f'UPDATE "Image" SET {columns}, "updatedAt" = now() AT TIME ZONE \'UTC\' WHERE id = {image}'  # noqa: S608
            site.run(changed, entry)

    @rule()
    def decide(self) -> None:
        """The role that follows the changes decides what there is to decide."""
        self.endings.site.decide()

    @rule(places=st.lists(st.integers(1, 14), min_size=2, max_size=2))
    def settle_with_deaths(self, places: list[int]) -> None:
        """As :meth:`settle_and_die`."""
        self.settle_and_die(places)

    def settle_and_die(self, places: list[int]) -> None:
        """Endings go on and rows are carried out by processes that die."""
        for work, passed in zip((self.endings.turn, self.endings.pay), places, strict=True):
            self.endings.now()
            self.scythe.run(work, passed)

    @rule(
        patience=st.sampled_from([0.0, 600.0]),
        faults=st.lists(st.sampled_from(LOST_ANSWERS), max_size=2),
        away=st.sampled_from(["nobody", "nobody", "freeze", "drain", "prove"]),
    )
    def settle(self, patience: float, faults: list[str], away: str) -> None:
        """Endings go on, perhaps with a neighbour away, and answers that say nothing."""
        paths = ("/transactions", "/multi-transactions")
        arm(self.endings.service, *({"kind": kind, "path": path} for kind in faults for path in paths))
        self.endings.ballots.away[away] += 1
        self.endings.now()
        self.endings.turn(fee_patience=patience)
        self.endings.pay()
        self.endings.ballots.away.clear()
        arm(self.endings.service)

    @invariant()
    def money_moves_once(self) -> None:
        """At each moment: what was bought is there, each refund and each prize went once at most."""
        told = books(self.endings.service)
        assert sum(amount for _, _, amount in told["balances"]) == self.funded
        back = [one["refund_of"] for one in told["moved"] if one["refund_of"] is not None]
        assert len(back) == len(set(back))
        prizes = {
            f"crucible-prize-{crucible}-{entry}": (user, amount)
            for crucible, entry, user, amount in self.endings.site.all(
                "SELECT crucible_id, entry_id, user_id, amount FROM SCHEMA.settlement_prize"
            )
        }
        for one in self._of_now(told["moved"], "crucible-prize-"):
            assert prizes[one["external"]] == (one["to_account"], one["amount"])

    def come_to_rest(self) -> None:
        """Mend what is parked, and settle until nothing is left to do."""
        site = self.endings.site
        for _ in range(MAX_ROUNDS):
            for crucible in self._in("parked"):
                self.seen["parked"] += 1
                site.run('UPDATE "Crucible" SET "prizePositions" = %s WHERE id = %s', '{"1": 29}', crucible)
                with self.endings.open_session() as session:
                    assert settlement.retry(session, crucible, "somebody") is not None
            site.decide()
            self.endings.go_on(rounds=1)
            open_rows = site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE state <> 'done'")
            over = site.one(
                'SELECT count(*)::int FROM SCHEMA.settlement LEFT JOIN "Crucible" one ON one.id = crucible_id '
                "WHERE state NOT IN ('done', 'cancelled') AND NOT (state = 'due' AND one.\"endAt\" > now())"
            )
            if not open_rows and not over:
                return
        rows = site.all("SELECT key, state, error FROM SCHEMA.outbox WHERE state <> 'done'")
        states = site.all("SELECT crucible_id, state, reason, error FROM SCHEMA.settlement")
        raise AssertionError(f"no rest: {rows}, {states}")

    def vote_too_late(self) -> None:
        """Judges who come when it is over are refused."""
        for crucible in self._in("done"):
            assert not self.endings.ballots.vote(crucible, 1, 2)
            self.seen["votes too late"] += 1

    def look(self) -> None:
        """Everything that must hold once nothing moves any more."""
        self.money_moves_once()
        site = self.endings.site
        for crucible, state, pool, paid, remainder in site.all(
            "SELECT crucible_id, state, pool, paid, remainder FROM SCHEMA.settlement"
        ):
            self.seen[state] += 1
            taken, back, prizes = self.endings.moved(crucible)
            if state == "done":
                assert (taken - back, prizes) == (pool, paid)
                assert pool == paid + remainder
                assert self.endings.events(crucible).count("crucible.settled") == 1
                self._look_at_result(crucible)
            elif state == "cancelled":
                assert (taken, prizes) == (back, 0)
            else:
                assert (state, prizes) == ("due", 0)
            self._look_at_steps(crucible)
        if not self.seen.pop("deleted after the result", 0):
            votes = self._votes_again()
            for what in ("places", "prizes"):
                assert site.admin.execute(differing(what, site.schema), votes).fetchall() == []

    def _votes_again(self) -> dict[str, list[int]]:
        """What all votes come to, as the second implementation is told of it."""
        rows = [
            (crucible, *one)
            for (crucible,) in self.endings.site.all("SELECT crucible_id FROM SCHEMA.settlement")
            for one in self.endings.ballots.recompute(crucible).ratings
        ]
        return {name: [row[at] for row in rows] for at, name in enumerate(("crucibles", "entries", "ratings", "votes"))}

    def _look_at_result(self, crucible: int) -> None:
        """Scores and numbers of votes are those of a replay; of entries that came afterwards nothing is written."""
        ratings = {entry: (rating, votes) for entry, rating, votes in self.endings.ballots.recompute(crucible).ratings}
        rows = self.endings.table(crucible)
        for entry, position, score, votes in rows:
            assert position is None or (score, votes) == ratings.get(entry, (1500, 0)), entry
        placed = sum(position is not None for _, position, *_ in rows)
        if placed < self.endings.shown(crucible, "placed"):
            self.seen["deleted after the result"] += 1

    def _look_at_steps(self, crucible: int) -> None:
        """Each step of its log is one that may follow the one before."""
        before = SettlementState.DUE
        for (state,) in self.endings.site.all(
            "SELECT state FROM SCHEMA.settlement_step WHERE crucible_id = %s ORDER BY id", crucible
        ):
            now = SettlementState(state)
            assert now in FOLLOWING[before], (crucible, before, now)
            before = now

    def _in(self, state: str) -> list[int]:
        rows = self.endings.site.all("SELECT crucible_id FROM SCHEMA.settlement WHERE state = %s", state)
        return [crucible for (crucible,) in rows]

    def _of_now(self, moved: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
        mine = tuple(f"{prefix}{crucible}-" for crucible in self.crucibles)
        return [one for one in moved if (one["external"] or "").startswith(mine)] if mine else []


def test_every_whole_life(endings: Endings, monkeypatch: pytest.MonkeyPatch) -> None:
    scythe, seen = Scythe(monkeypatch, *MORTAL), Counter[str]()
    lives = cast(
        "type[WholeLife]", type("WholeLife", (WholeLife,), {"endings": endings, "scythe": scythe, "seen": seen})
    )

    run_histories(lives, examples=7, steps=25)

    wanted = {"done", "cancelled", "parked", "votes", "votes too late"}
    assert wanted <= seen.keys(), f"the lives are too alike: {seen}"
    assert len(scythe.killed) > 5, f"they die too seldom: {scythe.killed}"
    assert seen["done"] > 5, seen


def test_a_division_by_floats_would_be_found(endings: Endings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the second opinion: 29 percent of 100 are 28 to a float."""

    def by_floats(pool: int, shares: Shares, places: int) -> Division:
        prizes = {place: int(float(share) / 100 * pool) for place, share in shares.items() if place <= places}
        return Division(prizes, sum(prizes.values()), pool - sum(prizes.values()))

    monkeypatch.setattr(result, "divide", by_floats)
    life = cast(
        "type[WholeLife]",
        type(
            "WholeLife", (WholeLife,), {"endings": endings, "scythe": Scythe(monkeypatch, *MORTAL), "seen": Counter()}
        ),
    )()
    crucible = endings.crucible(prizePositions='{"1": 29}')
    endings.enter(crucible, [life.users[0]])
    endings.end(crucible)
    endings.go_on()

    assert endings.state(crucible) == "done"
    with pytest.raises(AssertionError):
        life.look()
