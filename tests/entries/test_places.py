"""Who holds a place, after any history: entries come late, move, change keys, are voted on, and rules come and go.

On a real PostgreSQL, by several deciders that take turns and die. Whenever everything has come to rest, each verdict is
what the rules in plain SQL say by the tables as they are (``demo/entries/standing.sql``), and who is asked once more
comes to the same.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from demo.entries.verdict_audit import differing
from tests.entries.site import Site
from tests.histories import run_histories
from tests.scythe import Scythe
from watcher.entries import decider, watch_entries
from watcher.entries.decider import Decider
from watcher.entries.watch_entries import WatchEntries
from watcher.model.entry_decision import FeePolicy
from watcher.model.entry_rules import Payment
from watcher.postgres.own import entries_to_decide, entry_verdict
from watcher.runtime.failpoint import ENTRY_PLACES

RULES: dict[str, list[Any]] = {
    "nsfwLevel": [31, 31, 1],
    "maxTotalEntries": [2, 2, 1, None],
    "entryLimit": [9, 1, 2],
    "entryFee": [0, 0, 0, 10],
    "endAt": [None, None, "2026-01-04", "2026-01-06"],
}
"""What a crucible may say, by column."""
SCANS = [*[("Scanned", 1)] * 4, ("Pending", 0), ("Pending", 0), ("Scanned", 8), ("Blocked", 32)]
DATES = [f"2026-01-0{day}" for day in range(1, 8)]
IN_BETWEEN = "2026-01-04"
ASKED = """
SELECT (payload ->> 'entry')::int FROM SCHEMA.outbox
 WHERE kind = 'collect' AND state <> 'done' ORDER BY id
"""
MAX_ROUNDS = 8
"""Sweeps after which everything has come to rest. More would only hide that it does not."""
PAGE = 3
"""Entries of a page: so few that the crucibles of these histories take several."""
EXAMPLES = int(os.environ.get("PLACES_EXAMPLES", "12"))
"""Histories of one run. A hunt takes thousands, outside the suite, each time others."""


class Places(RuleBasedStateMachine):
    """One site, from nothing to rest."""

    site: Site
    scythe: Scythe
    seen: Counter[str]
    interrupted: "Interrupted"

    def __init__(self) -> None:
        super().__init__()
        self.crucibles: list[int] = []
        self.voted: set[tuple[int, int]] = set()
        self.unknown: set[int] = set()
        """Crucibles that Redis does not hold."""
        self.kept: dict[int, tuple[Any, ...]] = {}
        """Rows that were deleted, to be put back as they were."""
        self.users = [self.site.user() for _ in range(3)]

    def teardown(self) -> None:
        """Bring everything to rest, look at all of it, and leave nothing for the next history."""
        try:
            self.rest()
        finally:
            self.site.run('DELETE FROM "Crucible"')
            tables = ("entry_verdict", "entry_fee", "entry_decision", "entry_crucible", "entry_digest", "outbox")
            self.site.run(f"TRUNCATE {', '.join(f'SCHEMA.{table}' for table in tables)}")

    @initialize()
    def begin(self) -> None:
        """There are two crucibles, one of which is full, and judges have voted on the last who found a place."""
        self.crucibles += [self.site.crucible(entryLimit=9, maxTotalEntries=2), self.site.crucible(entryLimit=9)]
        entries = [self.site.enter(self.crucibles[0], user, createdAt=IN_BETWEEN) for user in self.users[:2]]
        self.voted.add((self.crucibles[0], entries[1]))
        self.site.enter(self.crucibles[1], self.users[2], self.site.image(self.users[2], 0, "Pending"))
        self._sweep()

    @precondition(lambda self: len(self.crucibles) < 3)
    @rule(columns=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in RULES.items()}))
    def open(self, columns: dict[str, Any]) -> None:
        """A crucible with any rules."""
        self.crucibles.append(self.site.crucible(**columns))

    @rule(
        data=st.data(), scan=st.sampled_from(SCANS), date=st.sampled_from(DATES), times=st.integers(1, 3),
        seen=st.booleans(),
    )  # fmt: skip
    def enter(self, data: st.DataObject, scan: tuple[str, int], date: str, times: int, seen: bool) -> None:
        """Somebody enters, once or several times, and is looked at or not."""
        crucible, user = data.draw(st.sampled_from(self.crucibles)), data.draw(st.sampled_from(self.users))
        for _ in range(times):
            image = self.site.image(user, scan[1], scan[0])
            entry = self.site.enter(crucible, user, image, createdAt=date)
            if seen:
                self.decide([entry])

    @rule(data=st.data(), what=st.sampled_from(["crucibleId", "userId", "imageId", "createdAt", "id"]))
    def change(self, data: st.DataObject, what: str) -> None:
        """An entry is moved, handed over, dated otherwise, or has another image or key."""
        if (entry := self._entry(data)) is None:
            return
        match what:
            case "crucibleId":
                value: Any = data.draw(st.sampled_from(self.crucibles))
            case "userId":
                value = data.draw(st.sampled_from(self.users))
                self.site.run(
                    'UPDATE "Image" SET "userId" = %s WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)',
                    value, entry,
                )  # fmt: skip
            case "imageId":
                other = self._entry(data)
                value = self.site.one('SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s', other)
            case "createdAt":
                value = data.draw(st.sampled_from(DATES))
            case _:
                value = self.site.one('SELECT max(id) + 1 FROM "CrucibleEntry"')
                value = max(value, self.site.one("SELECT coalesce(max(entry_id), 0) + 1 FROM SCHEMA.entry_verdict"))
                self.site.run("SELECT setval(pg_get_serial_sequence('\"CrucibleEntry\"', 'id'), %s)", value)
        self.site.run(f'UPDATE "CrucibleEntry" SET "{what}" = %s WHERE id = %s', value, entry)  # noqa: S608

    @rule(data=st.data())
    def rekey_crucible(self, data: st.DataObject) -> None:
        """A crucible's key changes, and all its entries follow."""
        crucible = data.draw(st.sampled_from(self.crucibles))
        new = self.site.one("SELECT nextval(pg_get_serial_sequence('\"Crucible\"', 'id'))::int")
        self.site.run('UPDATE "Crucible" SET id = %s WHERE id = %s', new, crucible)
        self.crucibles[self.crucibles.index(crucible)] = new

    @rule(data=st.data(), column=st.sampled_from(sorted(RULES)))
    def change_the_rules(self, data: st.DataObject, column: str) -> None:
        """A rule becomes another one."""
        self._change_rule(data.draw(st.sampled_from(self.crucibles)), column, data.draw(st.sampled_from(RULES[column])))

    @rule(data=st.data(), status=st.sampled_from(["Active", "Active", "Active", "Cancelled"]))
    def set_status(self, data: st.DataObject, status: str) -> None:
        """A crucible is called off, or that is taken back."""
        self._change_rule(data.draw(st.sampled_from(self.crucibles)), "status", status)

    @rule(data=st.data(), scan=st.sampled_from(SCANS))
    def scan(self, data: st.DataObject, scan: tuple[str, int]) -> None:
        """An image is scanned, mostly one that was not, or scanned again."""
        new = 'SELECT id FROM "Image" WHERE ingestion = \'Pending\' AND id IN (SELECT "imageId" FROM "CrucibleEntry")'
        images = [image for (image,) in self.site.all(f"{new} ORDER BY 1")]
        if images and data.draw(st.integers(0, 3)):
            image = data.draw(st.sampled_from(images))
        else:
            image = self.site.one('SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s', self._entry(data))
        self.site.run(
            'UPDATE "Image" SET ingestion = %s::"ImageIngestionStatus", "nsfwLevel" = %s '
            "WHERE id = %s",
            *scan, image,
        )  # fmt: skip

    @rule(data=st.data(), whole=st.sampled_from([False] * 9 + [True]))
    def withdraw(self, data: st.DataObject, whole: bool) -> None:
        """An entry's row is deleted, or all of them, by a way that names none."""
        if (entry := self._entry(data)) is None:
            return
        gone = self.site.all('SELECT id, "crucibleId", "userId", "imageId", "createdAt" FROM "CrucibleEntry"')
        self.kept |= {row[0]: row for row in gone if whole or row[0] == entry}
        self.site.run(
            *(('TRUNCATE "CrucibleEntry"',) if whole else ('DELETE FROM "CrucibleEntry" WHERE id = %s', entry))
        )

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        """A row that was deleted is there again, as it was."""
        row = self.kept.pop(data.draw(st.sampled_from(sorted(self.kept))))
        self.site.run(
            'INSERT INTO "CrucibleEntry" (id, "crucibleId", "userId", "imageId", "createdAt") '
            'SELECT %s, id, %s, %s, %s FROM "Crucible" WHERE id = %s ON CONFLICT DO NOTHING',
            row[0], *row[2:], row[1],
        )  # fmt: skip

    @rule(data=st.data())
    def delete_crucible(self, data: st.DataObject) -> None:
        """A crucible is deleted with its entries."""
        if len(self.crucibles) > 2:
            self.site.run('DELETE FROM "Crucible" WHERE id = %s', self.crucibles.pop(0))

    @rule(data=st.data())
    def vote(self, data: st.DataObject) -> None:
        """Judges have voted on an entry that is in."""
        rows = self.site.all(
            "SELECT crucible_id, entry_id FROM SCHEMA.entry_verdict WHERE verdict = 'admitted' ORDER BY entry_id"
        )
        if rows:
            self.voted.add(data.draw(st.sampled_from(cast("list[tuple[int, int]]", rows))))

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        """Redis loses a crucible, or has it again."""
        self.unknown ^= {data.draw(st.sampled_from(self.crucibles))}

    @rule(data=st.data(), place=st.sampled_from(["", "", "", *ENTRY_PLACES[:3]]), again=st.booleans())
    def told(self, data: st.DataObject, place: str, again: bool) -> None:
        """Some process is told of some rows, and perhaps dies."""
        there = [entry for (entry,) in self.site.all('SELECT id FROM "CrucibleEntry" ORDER BY 1')]
        known = [entry for (entry,) in self.site.all("SELECT entry_id FROM SCHEMA.entry_verdict ORDER BY 1")]
        some, gone = ([one for one in ids if data.draw(st.booleans())] for ids in (there[-6:], known[-6:]))
        self.scythe.run(lambda: self.decide(some, gone, again=again), 1 if place else 0, place)

    @rule(data=st.data(), place=st.sampled_from(["", "", "", *ENTRY_PLACES[:3]]), times=st.integers(1, 3))
    def sweep(self, data: st.DataObject, place: str, times: int) -> None:
        """A sweep, perhaps of a process that dies in it, and while something happens."""
        for _ in range(data.draw(st.integers(0, 2))):
            crucible, column = data.draw(st.sampled_from(self.crucibles)), data.draw(st.sampled_from(sorted(RULES)))
            values = [data.draw(st.sampled_from(RULES[column])) for _ in range(2)]
            entry = self._entry(data)
            self.interrupted.by.append(lambda one=(crucible, column, values, entry): self._flicker(*one))
        self.scythe.run(self._sweep, times if place else 0, place)
        self.interrupted.by.clear()

    @rule()
    def pay(self) -> None:
        """Fees that were asked for are there."""
        for (entry,) in self.site.all(ASKED):
            with self.site.open_session() as session:
                if entry_verdict.settle_fee(session, entry, Payment.SETTLED, 10):
                    Decider(FeePolicy(), "settle").decide(session, [entry], again=True)
        self.site.run("UPDATE SCHEMA.outbox SET state = 'done'")

    @rule()
    def rest(self) -> None:
        """Everything comes to rest; then all verdicts are what the rules say."""
        decisions = "SELECT count(*), max(id) FROM SCHEMA.entry_decision"
        for _ in range(MAX_ROUNDS):
            written = self.site.all(decisions)
            self._sweep()
            self.pay()
            if written == self.site.all(decisions):
                break
        else:
            raise AssertionError("no rest")
        self.look()

    def look(self) -> None:
        """Everything that must hold once nothing moves any more."""
        found = differing(self.site.admin, self.voted, self.site.schema)
        assert found == [], found
        verdicts = self.site.all("SELECT entry_id, verdict FROM SCHEMA.entry_verdict ORDER BY 1")
        self.seen.update(verdict for _, verdict in verdicts)
        over = "SELECT count(*)::int FROM SCHEMA.entry_verdict WHERE verdict = 'admitted' AND reasons <> '{}'"
        self.seen["kept by votes"] += self.site.one(over)

    def decide(self, entries: Sequence[int], gone: Sequence[int] = (), *, again: bool = False) -> None:
        """Some process decides about some entries."""
        with self.site.open_session() as session:
            self._decider().decide(session, entries, gone=gone, again=again)

    def _decider(self) -> Decider:
        return Decider(FeePolicy(), "watch", self._voted_on)

    def _voted_on(self, crucible: int, entries: Sequence[int]) -> set[int]:
        if crucible in self.unknown:
            return set(entries)
        return {entry for entry in entries if (crucible, entry) in self.voted}

    def _sweep(self) -> None:
        watch = WatchEntries(self.site.open_session, self._decider(), self.site.heard, 0.0)
        try:
            watch.turn()
        finally:
            watch.end()

    def _change_rule(self, crucible: int, column: str, value: Any) -> None:
        self.site.run(f'UPDATE "Crucible" SET "{column}" = %s WHERE id = %s', value, crucible)  # noqa: S608

    def _flicker(self, crucible: int, column: str, values: Sequence[Any], entry: int | None) -> None:
        """A rule is another one for a moment, in which an entry is decided."""
        for value in values:
            self._change_rule(crucible, column, value)
            if entry is not None:
                self.decide([entry], again=True)
                entry = None

    def _entry(self, data: st.DataObject) -> int | None:
        there = [entry for (entry,) in self.site.all('SELECT id FROM "CrucibleEntry" ORDER BY 1')]
        return data.draw(st.sampled_from(there)) if there else None


class Interrupted:
    """Steps of a sweep before each of which something else may happen."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.by: list[Callable[[], None]] = []
        for name in ("begin_crucibles", "decided_entries", "note_crucibles", "changed_entries"):
            patch.setattr(entries_to_decide, name, self._before(getattr(entries_to_decide, name)))

    def _before(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def interrupted(*args: Any) -> Any:
            if self.by:
                self.by.pop()()
            return step(*args)

        return interrupted


def histories(site: Site, patch: pytest.MonkeyPatch) -> type[Places]:
    """Return the histories of a site."""
    patch.setattr(decider, "PAGE_ENTRIES", PAGE)
    patch.setattr(watch_entries, "PAGE_ENTRIES", PAGE)
    members = {
        "site": site, "scythe": Scythe(patch, decider), "seen": Counter(), "interrupted": Interrupted(patch),
    }  # fmt: skip
    return cast("type[Places]", type("Places", (Places,), members))


def test_every_history(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    some = histories(site, monkeypatch)
    hunts = "PLACES_EXAMPLES" in os.environ

    run_histories(some, examples=EXAMPLES, steps=25, derandomize=not hunts, report_multiple_bugs=False)

    wanted = {"admitted", "waiting", "rejected", "withdrawn", "kept by votes"}
    assert wanted <= (+some.seen).keys(), f"the histories are too alike: {some.seen}"
