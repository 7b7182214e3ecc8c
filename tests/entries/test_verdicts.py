"""Verdicts on a real PostgreSQL: who gets in, in which order, and what changes it afterwards."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.entries.site import Site
from watcher.model.entry_decision import FeePolicy


def test_an_entry_that_keeps_the_rules_is_admitted(site: Site) -> None:
    entry = site.enter(site.crucible())

    site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)
    assert site.heard.verdicts == [("admitted", ())]


def test_each_fact_reaches_the_rules(site: Site) -> None:
    """Every column that a rule looks at, broken at once, in one entry."""
    crucible = site.crucible(nsfwLevel=1, allowedResources="[70]", maxTotalEntries=0, entryLimit=0)
    owner, entrant = site.user(), site.user()
    site.run(
        "UPDATE \"Crucible\" SET \"startAt\" = now() + interval '1 day', status = 'Active' WHERE id = %s", crucible
    )
    image = site.image(owner, level=4, resources=[70, 71])
    entry = site.enter(crucible, entrant, image)

    site.decide()

    assert site.verdict(entry) == (
        "rejected",
        ["not_started", "total_limit", "user_limit", "not_image_owner", "level_not_allowed", "resources_not_allowed"],
        0,
    )


def test_the_order_is_that_of_the_rows(site: Site) -> None:
    crucible, user = site.crucible(entryLimit=2), site.user()
    late = site.enter(crucible, user, createdAt="2026-01-03")
    first = site.enter(crucible, user, createdAt="2026-01-01")
    second = site.enter(crucible, user, createdAt="2026-01-02")

    site.decide()

    assert [site.verdict(one)[0] for one in (first, second, late)] == ["admitted", "admitted", "rejected"]  # type: ignore[index]


def test_two_at_once_at_the_limit_in_two_processes(site: Site) -> None:
    """However many decide at the same time, the last place is given once."""
    crucible, user = site.crucible(entryLimit=3, maxTotalEntries=5), site.user()
    for _ in range(8):
        site.enter(crucible, user)
        site.enter(crucible)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: site.decide(), range(6)))

    states = site.all(
        "SELECT verdict, count(*)::int, count(*) FILTER (WHERE user_id = %s)::int FROM SCHEMA.entry_verdict "
        "WHERE crucible_id = %s GROUP BY 1 ORDER BY 1",
        user, crucible,
    )  # fmt: skip
    assert states == [("admitted", 5, 3), ("rejected", 11, 5)]
    assert site.one("SELECT count(*)::int FROM SCHEMA.entry_decision") == 16


def test_an_image_in_two_entries_at_once(site: Site) -> None:
    crucible, user = site.crucible(entryLimit=9), site.user()
    image = site.image(user)
    entries = [site.enter(crucible, user, image) for _ in range(3)]

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: site.decide(), range(3)))

    twice = ("rejected", ["image_entered_already"], 0)
    assert [site.verdict(one) for one in entries] == [("admitted", [], 0), twice, twice]


def test_an_image_that_is_scanned_later(site: Site) -> None:
    """It waits, holds its place, and is decided when the scan is there."""
    crucible, user = site.crucible(), site.user()
    image = site.image(user, level=0, ingestion="Pending")
    entry, second = site.enter(crucible, user, image), site.enter(crucible, user)
    site.decide()
    assert site.verdict(entry) == ("waiting", ["image_not_scanned"], 0)
    assert site.verdict(second) == ("rejected", ["user_limit"], 0)
    assert site.heard.waits[0] == 1

    site.run('UPDATE "Image" SET ingestion = \'Scanned\', "nsfwLevel" = 2 WHERE id = %s', image)
    site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)
    assert site.heard.waits[0] == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('UPDATE "Image" SET "nsfwLevel" = 8', "level_not_allowed"),
        ('UPDATE "Image" SET "blockedFor" = \'tos\'', "image_blocked"),
        ('UPDATE "Crucible" SET "allowedResources" = \'[7]\'', "no_resources_detected"),
        ('UPDATE "Crucible" SET "entryLimit" = 0', "user_limit"),
    ],
)
def test_what_changes_afterwards_is_looked_at_again(site: Site, change: str, reason: str) -> None:
    entry = site.enter(site.crucible(nsfwLevel=3))
    site.decide()

    site.run(change)
    site.decide()

    assert site.verdict(entry) == ("rejected", [reason], 0)


def test_an_entry_that_was_voted_on_stays(site: Site) -> None:
    """It is reported, and keeps its place."""
    entry = site.enter(site.crucible(nsfwLevel=3))
    site.decide()

    site.run('UPDATE "Image" SET "nsfwLevel" = 8')
    site.decide(voted=[entry])

    assert site.verdict(entry) == ("admitted", ["level_not_allowed"], 0)


@pytest.mark.parametrize(
    ("limit", "column", "reason"),
    [
        ({"maxTotalEntries": 1}, "crucibleId", "total_limit"),
        ({"entryLimit": 1}, "userId", "user_limit"),
        ({"entryLimit": 2}, "imageId", "image_entered_already"),
    ],
)
def test_an_entry_that_is_moved_takes_nobody_s_place(
    site: Site, limit: dict[str, int], column: str, reason: str
) -> None:
    """However old it is: who was in when it came stays in, by one rule as by the other."""
    crucible, other, user = site.crucible(**limit), site.crucible(), site.user()
    elsewhere = other if column == "crucibleId" else crucible
    moved = site.enter(elsewhere, user if column == "imageId" else site.user())
    there = site.enter(crucible, user)
    site.decide()
    if column == "imageId":
        site.run('UPDATE "CrucibleEntry" SET "imageId" = (SELECT "imageId" FROM "CrucibleEntry" WHERE id = %s)'
                 " WHERE id = %s", there, moved)  # fmt: skip
    else:
        value = crucible if column == "crucibleId" else user
        if column == "userId":
            site.run('UPDATE "Image" SET "userId" = %s WHERE id IN (SELECT "imageId" FROM "CrucibleEntry")', user)
        site.run(f'UPDATE "CrucibleEntry" SET "{column}" = %s WHERE id = %s', value, moved)  # noqa: S608
    site.decide()

    assert site.verdict(there)[0] == "admitted"
    assert site.verdict(moved) == ("rejected", [reason], 0)


def test_an_entry_that_is_deleted_is_withdrawn(site: Site) -> None:
    crucible, user = site.crucible(), site.user()
    entry = site.enter(crucible, user)
    site.decide()

    site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', entry)
    again = site.enter(crucible, user)
    site.decide()

    assert site.verdict(entry) == ("withdrawn", [], 0)
    assert site.verdict(again) == ("admitted", [], 0)


@pytest.mark.parametrize("what", ["CrucibleEntry", "Crucible"])
@pytest.mark.parametrize("looked_at", [True, False])
def test_after_the_end_nobody_is_withdrawn(site: Site, what: str, looked_at: bool) -> None:
    """Prizes are being paid then: what vanishes is not given back, with its crucible or without."""
    crucible = site.crucible()
    entry = site.enter(crucible)
    site.decide()
    site.run("UPDATE \"Crucible\" SET status = 'Completed'")
    if looked_at or what == "Crucible":
        site.decide()

    site.run('DELETE FROM "Crucible"' if what == "Crucible" else 'DELETE FROM "CrucibleEntry"')
    site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)


@pytest.mark.parametrize("status", ["Completed", "Cancelled"])
def test_the_end_leaves_nobody_waiting(site: Site, status: str) -> None:
    """A scan that comes later lets nobody in any more."""
    crucible, user = site.crucible(), site.user()
    waits = site.enter(crucible, user, site.image(user, level=0, ingestion="Pending"))
    site.decide()
    late = site.enter(crucible)
    site.run('UPDATE "Crucible" SET status = %s::"CrucibleStatus"', status)

    site.decide()

    assert site.verdict(waits) == ("rejected", ["crucible_not_active", "image_not_scanned"], 0)
    assert site.verdict(late) == ("rejected", ["crucible_not_active"], 0)


def test_a_cancelled_crucible_keeps_nobody(site: Site) -> None:
    """Not even entries that were voted on: there is nothing left that a vote could mean."""
    entry = site.enter(site.crucible())
    site.decide()
    site.run("UPDATE \"Crucible\" SET status = 'Cancelled'")

    site.decide(voted=[entry])

    assert site.verdict(entry) == ("rejected", ["crucible_not_active"], 0)


def test_truncate_withdraws_everybody(site: Site) -> None:
    crucible = site.crucible()
    entries = [site.enter(crucible) for _ in range(3)]
    site.decide()

    site.run('TRUNCATE "CrucibleEntry"')
    site.decide()

    assert [site.verdict(one) for one in entries] == [("withdrawn", [], 0)] * 3


def test_verdicts_that_somebody_emptied_come_back(site: Site) -> None:
    """Nothing of their entries has changed, and a sweep decides them all the same."""
    entry = site.enter(site.crucible())
    site.decide()
    site.run("TRUNCATE SCHEMA.entry_verdict")

    site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)


def test_what_stays_the_same_writes_nothing(site: Site) -> None:
    """So a sweep makes no change events."""
    site.enter(site.crucible())
    site.decide()
    before = site.all("SELECT xmin::text, decided_at FROM SCHEMA.entry_verdict")

    site.decide()

    assert site.all("SELECT xmin::text, decided_at FROM SCHEMA.entry_verdict") == before
    assert site.one("SELECT count(*)::int FROM SCHEMA.entry_decision") == 1


def test_an_end_at_infinity_is_no_end(site: Site) -> None:
    entry = site.enter(site.crucible(startAt="-infinity", endAt="infinity"))

    site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)


def test_observing_keeps_nobody_out_and_asks_for_nothing(site: Site) -> None:
    bad = site.enter(site.crucible(nsfwLevel=2, entryFee=100))

    site.decide(FeePolicy(observe=True))

    assert site.verdict(bad) == ("rejected", ["level_not_allowed"], 0)
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox") == 0
