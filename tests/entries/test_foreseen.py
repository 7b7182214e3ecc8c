"""What is told before an entry is made is what is decided once it is."""

import asyncio
from typing import Any

import pytest

from stack import Stack
from tests import site_database
from tests.entries.site import Site
from watcher.model.entry_decision import FeePolicy, foresee
from watcher.model.entry_verdict import Verdict
from watcher.postgres.own.entry_questions import EntryQuestions
from watcher.postgres.pool import SitePool

CASES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({}, {}),
    ({"entryFee": 100}, {}),
    ({"status": "Pending"}, {}),
    ({"startAt": "2200-01-01", "endAt": "2201-01-01"}, {}),
    ({"endAt": "2020-01-01"}, {}),
    ({"endAt": "infinity"}, {}),
    ({"entryLimit": 0}, {}),
    ({"maxTotalEntries": 1}, {}),
    ({"maxTotalEntries": -1}, {}),
    ({"nsfwLevel": 1}, {"level": 16}),
    ({}, {"ingestion": "Pending", "level": 0}),
    ({}, {"ingestion": "Blocked"}),
    ({"allowedResources": "[7]"}, {"resources": [7, 8]}),
    ({"allowedResources": "[7]"}, {"resources": [7]}),
    ({"allowedResources": "{}", "endAt": "2020-01-01"}, {}),
)


@pytest.mark.parametrize(("crucible", "image"), CASES)
def test_what_is_foreseen_is_decided(parts: Stack, site: Site, crucible: dict[str, Any], image: dict[str, Any]) -> None:
    """The same verdict and reasons, beside an entry of somebody else and one that was rejected."""
    dsn = site_database.as_role(str(parts.endpoints.postgres_dsn), site_database.WATCHER_ROLE)
    where, user = site.crucible(**crucible), site.user()
    site.enter(where)
    site.enter(where, user, site.image(site.user()))
    site.decide(FeePolicy(observe=True))
    picture = site.image(user, **image)

    async def asked() -> Verdict | None:
        async with SitePool(dsn, 1, 5.0) as pool:
            found = await EntryQuestions(pool.fetch, site.schema).hypothetical(where, user, picture)
            return foresee(found) if found else None

    told = asyncio.run(asked())
    entry = site.enter(where, user, picture)
    site.decide(FeePolicy(observe=True))

    assert told is not None
    if crucible.get("status") == "Pending":  # nobody decides yet
        assert (site.verdict(entry), told.state, told.reasons) == (None, "rejected", ("crucible_not_active",))
    else:
        assert (site.verdict(entry) or ())[:2] == (told.state, list(told.reasons))
