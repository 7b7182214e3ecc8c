"""Entries that are moved to another crucible, or handed to another user: the verdict follows the row."""

import httpx

from tests.entries.site import Site
from tests.entries.test_fees import FEE, rich

__all__ = ["rich"]


def test_a_moved_entry_is_decided_where_it_is_and_brings_its_fee(site: Site, rich: int, service: httpx.Client) -> None:
    was, now = site.crucible(entryFee=FEE), site.crucible(entryFee=FEE)
    entry = site.enter(was, rich)
    site.decide()
    site.settle()

    site.run('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = %s', now, entry)
    site.decide()

    assert site.verdict(entry) == ("admitted", [], FEE)
    assert site.one("SELECT crucible_id FROM SCHEMA.entry_verdict WHERE entry_id = %s", entry) == now
    assert site.one("SELECT count(*)::int FROM SCHEMA.outbox WHERE kind = 'refund'") == 0


def test_the_place_of_a_moved_entry_is_free(site: Site) -> None:
    full, other = site.crucible(maxTotalEntries=1), site.crucible()
    first, second = site.enter(full), site.enter(full)
    site.decide()
    assert site.verdict(second) == ("rejected", ["total_limit"], 0)

    site.run('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = %s', other, first)
    site.decide()

    assert [site.verdict(entry) for entry in (first, second)] == [("admitted", [], 0)] * 2


def test_an_entry_that_was_handed_over_is_counted_for_who_has_it(site: Site) -> None:
    crucible, user = site.crucible(), site.user()
    image = site.image(user)
    entry = site.enter(crucible, site.user(), image)
    site.decide()
    assert site.verdict(entry) == ("rejected", ["not_image_owner"], 0)

    site.run('UPDATE "CrucibleEntry" SET "userId" = %s WHERE id = %s', user, entry)
    site.decide()

    assert site.verdict(entry) == ("admitted", [], 0)
    assert site.one("SELECT user_id FROM SCHEMA.entry_verdict WHERE entry_id = %s", entry) == user
