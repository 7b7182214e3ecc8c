"""Places of entries, a history each: who came first keeps its place, nobody stands beyond the last, none stays free."""

from typing import Any

import pytest

from demo.entries.verdict_audit import differing
from tests.entries.site import Site
from watcher.entries import decider
from watcher.entries.decider import Decider
from watcher.model.entry_decision import FeePolicy
from watcher.model.entry_rules import Payment
from watcher.postgres.own import entry_verdict

ADMITTED = ("admitted", [], 0)
FULL = ("rejected", ["total_limit"], 0)
EARLY, LATE, LATER = "2026-01-01", "2026-01-02", "2026-01-03"


def agrees(site: Site, *voted: tuple[int, int]) -> bool:
    """The rules in plain SQL say the same of everything."""
    return differing(site.admin, voted, site.schema) == []


def scan(site: Site, entry: int) -> None:
    """The scan of an entry's image is there."""
    site.run(
        'UPDATE "Image" SET ingestion = \'Scanned\', "nsfwLevel" = 1 '
        'WHERE id = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)',
        entry,
    )


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"maxTotalEntries": 1, "entryLimit": 9}, "total_limit"),
        ({"entryLimit": 1}, "user_limit"),
        ({"entryLimit": 9}, "image_entered_already"),
    ],
)
@pytest.mark.parametrize("how", ["dated back", "moved"])
def test_who_waits_for_a_scan_takes_nobody_s_place(site: Site, limits: dict[str, Any], reason: str, how: str) -> None:
    """However early it is dated: an entry that finds no place waits without one, and is out once its scan is there."""
    crucible, user = site.crucible(**limits), site.user()
    image = site.image(user, level=0, ingestion="Pending")
    there = site.enter(crucible, user, image if reason == "image_entered_already" else None, createdAt=LATE)
    waits = site.enter(site.crucible() if how == "moved" else crucible, user, image, createdAt=EARLY)
    with site.open_session() as session:
        Decider(FeePolicy(), "watch").decide(session, [there])
    site.decide()
    if how == "moved":
        site.run('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = %s', crucible, waits)
        site.decide()
    in_between = site.verdict(waits)

    scan(site, waits)
    site.decide()

    assert in_between == ("waiting", [reason, "image_not_scanned"], 0)
    assert (site.verdict(there), site.verdict(waits)) == (ADMITTED, ("rejected", [reason], 0))
    assert agrees(site)


def test_who_waits_without_a_place_gets_the_next_one(site: Site) -> None:
    """Then it holds it, like anybody who waits."""
    crucible = site.crucible(maxTotalEntries=1)
    first = site.enter(crucible, createdAt=EARLY)
    user = site.user()
    waits = site.enter(crucible, user, site.image(user, level=0, ingestion="Pending"), createdAt=LATE)
    site.decide()
    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', first)
    late = site.enter(crucible, createdAt=LATER)

    site.decide()

    assert site.verdict(waits) == ("waiting", ["image_not_scanned"], 0)
    assert site.verdict(late) == FULL
    assert agrees(site)


@pytest.mark.parametrize("how", ["moved", "its key changed"])
@pytest.mark.parametrize("change", ['"maxTotalEntries" = 1', "status = 'Cancelled'"], ids=["limit", "cancelled"])
def test_rules_that_change_where_nobody_entered(site: Site, how: str, change: str) -> None:
    """All entries of a crucible came from another one, and then another rule holds."""
    was = site.crucible()
    entries = [site.enter(was) for _ in range(2)]
    site.decide()
    crucible = site.crucible()
    if how == "moved":
        site.run('UPDATE "CrucibleEntry" SET "crucibleId" = %s', crucible)
    else:
        site.run('DELETE FROM "Crucible" WHERE id = %s', crucible)
        site.run('UPDATE "Crucible" SET id = %s WHERE id = %s', crucible, was)
    with site.open_session() as session:  # told of these rows; a sweep would note the crucible itself
        Decider(FeePolicy(), "watch").decide(session, entries)
    site.run(f'UPDATE "Crucible" SET {change} WHERE id = %s', crucible)  # noqa: S608 - of the list above

    with site.open_session() as session:  # the first that enters there, by the rules that are new
        Decider(FeePolicy(), "watch").decide(session, [site.enter(crucible)])
    site.decide()

    out = "rejected" if change.startswith("status") else "admitted"
    assert [site.verdict(one)[0] for one in entries] == [out, "rejected"]  # type: ignore[index]
    assert agrees(site)


def test_rules_of_which_nothing_is_noted_any_more(site: Site) -> None:
    """Verdicts by whichever rules are looked at again."""
    crucible = site.crucible()
    entries = [site.enter(crucible) for _ in range(2)]
    site.decide()
    site.run("TRUNCATE SCHEMA.entry_crucible")
    site.run('UPDATE "Crucible" SET "maxTotalEntries" = 1')

    site.decide()

    assert [site.verdict(one) for one in entries] == [ADMITTED, FULL]


def test_who_is_pushed_out_by_votes_is_asked_about(site: Site) -> None:
    """One keeps its place by votes, for which another would have to go, who has votes as well."""
    crucible = site.crucible()
    user = site.user()
    first = site.enter(crucible, user, site.image(user, level=8), createdAt=EARLY)
    second, third = (site.enter(crucible, createdAt=date) for date in (LATE, LATER))
    site.decide()

    site.run('UPDATE "Crucible" SET "maxTotalEntries" = 1, "nsfwLevel" = 1 WHERE id = %s', crucible)
    site.decide(voted=[first, second])

    assert site.verdict(first) == ("admitted", ["level_not_allowed"], 0)
    assert site.verdict(second) == ("admitted", ["total_limit"], 0)
    assert site.verdict(third) == FULL
    assert agrees(site, (crucible, first), (crucible, second))


def test_a_moved_entry_brings_no_votes(site: Site) -> None:
    """Also while Redis, which does not hold the crucible yet, cannot tell of any: who was in stays in."""
    was, crucible = site.crucible(), site.crucible(maxTotalEntries=1)
    moved, there = site.enter(was, createdAt=EARLY), site.enter(crucible, createdAt=LATE)
    site.decide()

    site.run('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = %s', crucible, moved)
    site.decide(voted=[moved, there])

    assert (site.verdict(there), site.verdict(moved)) == (ADMITTED, FULL)
    assert agrees(site)


@pytest.mark.parametrize("column", ["userId", "imageId"])
def test_an_entry_with_votes_that_becomes_another_s(site: Site, column: str) -> None:
    """It stays, and stands before one that nobody voted on, whose place it was: that one goes."""
    users = [site.user() for _ in range(2)]
    crucible = site.crucible(entryLimit=1 if column == "userId" else 2)
    voted = site.enter(crucible, users[0], createdAt=EARLY)
    other = site.enter(crucible, users[column == "userId"], createdAt=LATE)
    site.decide()
    image = site.one('SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s', other)
    value = users[1] if column == "userId" else image
    site.run('UPDATE "Image" SET "userId" = %s', users[column == "userId"])
    site.run(f'UPDATE "CrucibleEntry" SET "{column}" = %s WHERE id = %s', value, voted)  # noqa: S608

    site.decide(voted=[voted])

    reason = "user_limit" if column == "userId" else "image_entered_already"
    assert (site.verdict(voted), site.verdict(other)) == (("admitted", [reason], 0), ("rejected", [reason], 0))
    assert agrees(site, (crucible, voted))


@pytest.mark.parametrize("date", ["2026-02-05", "2025-12-01"], ids=["later", "earlier"])
def test_an_entry_that_is_dated_otherwise_is_not_one_more_than_itself(site: Site, date: str) -> None:
    """It had the last place, and has it still: nothing that was paid goes back."""
    crucible = site.crucible(maxTotalEntries=2, entryFee=10)
    first, last = (
        site.enter(crucible, createdAt=date, buzzTransactionId=f"{date}-{crucible}") for date in (EARLY, LATE)
    )
    site.decide()
    before = [site.verdict(entry) for entry in (first, last)]
    site.run('UPDATE "CrucibleEntry" SET "createdAt" = %s WHERE id = %s', date, last)
    site.decide()

    assert [site.verdict(entry) for entry in (first, last)] == before
    assert site.all("SELECT key FROM SCHEMA.outbox WHERE kind = 'refund'") == []
    assert agrees(site)


def test_an_entry_is_dated_otherwise(site: Site) -> None:
    """What is noted of it follows: an end that is moved finds it where it is now."""
    crucible = site.crucible(endAt="2026-02-09")
    entry = site.enter(crucible, createdAt=EARLY)
    site.decide()
    site.run('UPDATE "CrucibleEntry" SET "createdAt" = \'2026-02-05\' WHERE id = %s', entry)
    site.decide()

    site.run('UPDATE "Crucible" SET "endAt" = \'2026-02-03\'')
    site.decide()

    assert site.verdict(entry) == ("rejected", ["ended"], 0)
    assert agrees(site)


def test_an_entry_with_votes_is_dated_before_others(site: Site) -> None:
    """It was beyond the last place, and is the first now: the last one goes."""
    crucible = site.crucible()
    first, second, voted = (site.enter(crucible, createdAt=date) for date in (EARLY, LATE, LATER))
    site.decide()
    site.run('UPDATE "Crucible" SET "maxTotalEntries" = 2')
    site.decide(voted=[voted])
    site.run('UPDATE "CrucibleEntry" SET "createdAt" = \'2025-12-01\' WHERE id = %s', voted)

    site.decide(voted=[voted])

    assert [site.verdict(one) for one in (voted, first, second)] == [ADMITTED, ADMITTED, FULL]
    assert agrees(site, (crucible, voted))


def test_a_row_that_is_put_back_as_it_was(site: Site) -> None:
    """It was withdrawn meanwhile, and takes part again."""
    crucible = site.crucible()
    entry = site.enter(crucible)
    site.decide()
    row = site.all('DELETE FROM "CrucibleEntry" WHERE id = %s RETURNING *', entry)[0]
    site.decide()
    places = ", ".join(["%s"] * len(row))
    site.run(f'INSERT INTO "CrucibleEntry" VALUES ({places})', *row)  # noqa: S608

    site.decide()

    assert site.verdict(entry) == ADMITTED
    assert agrees(site)


def test_a_paid_place_is_not_lost_for_one_that_becomes_free(site: Site) -> None:
    """Both rules change at once: who came first has to go, and there is a place for the second, who has paid."""
    crucible, user = site.crucible(entryFee=10), site.user()
    entries = [site.enter(crucible, user, site.image(user, level=8)), site.enter(crucible)]
    with site.open_session() as session:
        Decider(FeePolicy(), "watch").decide(session, entries)
        for entry in entries:
            entry_verdict.settle_fee(session, entry, Payment.SETTLED, 10)
            Decider(FeePolicy(), "settle").decide(session, [entry], again=True)

    site.run('UPDATE "Crucible" SET "maxTotalEntries" = 1, "nsfwLevel" = 1')
    site.decide()

    assert site.verdict(entries[1]) == ("admitted", [], 10)
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE kind = 'refund'") == 1


def test_a_free_place_is_offered_to_all_who_are_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than a page holds, and the first ones may not have it: their entrant has as many as allowed."""
    monkeypatch.setattr(decider, "PAGE_ENTRIES", 2)
    crucible, user = site.crucible(maxTotalEntries=2), site.user()
    mine, leaves = (site.enter(crucible, one, createdAt=EARLY) for one in (user, None))
    others = [site.enter(crucible, user, createdAt=LATE) for _ in range(3)]
    last = site.enter(crucible, createdAt=LATER)
    site.decide()

    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', leaves)
    site.decide()

    assert [site.verdict(one) for one in (mine, last)] == [ADMITTED, ADMITTED]
    assert {site.verdict(one)[0] for one in others} == {"rejected"}  # type: ignore[index]
    assert agrees(site)
