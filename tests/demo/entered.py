"""A site on which each kind of entry has found its verdict and its money its way, with the stores as they should be."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from hashlib import md5
from typing import TYPE_CHECKING

import httpx
import psycopg

import debezium
from demo.entries.verdict_audit import SCHEMA
from demo.judges.ledger import Cast
from demo.simulator import change_log
from demo.simulator.till import PURCHASES, Till
from demo.vote_truth import BASE, gain
from tests.demo.perfect_watcher import COLUMNS, bring_over
from tests.demo.votes import store
from tests.entries.site import Site
from tests.entries.test_fees import charged_by_the_site
from tests.settlement.endings import Endings
from watcher.buzz.http import HttpBuzz
from watcher.migrations.postgres.migrate import ensure
from watcher.postgres.session import open_session
from watcher.runtime.http_client import HttpClient

if TYPE_CHECKING:
    from demo.places import Places

FEE = 100
JUDGE = 7
VERDICTS = """
SELECT entry_id, crucible_id, user_id, metric, value, number
  FROM crucible_watcher.entry_verdict,
       LATERAL (VALUES (1, 'EntryAdmitted', (verdict = 'admitted')::int),
                       (2, 'EntryRejected', (verdict = 'rejected')::int),
                       (3, 'PrizePool', fee)) AS counted (number, metric, value)
 WHERE value <> 0
"""

WATCHER = "DO $$ BEGIN CREATE ROLE crucible_watcher; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
"""The role that payments are noted for."""


def fill(dsn: str, buzz_url: str) -> list[Cast]:
    """Let entries be admitted, rejected, withdrawn and wait, with fees that we took and fees that the site took.

    One crucible ends with three prizes, and one is cancelled. Returns the votes that were cast.
    """
    with (
        psycopg.connect(dsn, autocommit=True) as admin,
        httpx.Client(base_url=buzz_url) as service,
        Till(buzz_url) as till,
    ):
        change_log.create(admin)
        admin.execute(PURCHASES)
        admin.execute(f"CREATE SCHEMA {SCHEMA}")
        ensure(dsn, SCHEMA)
        admin.execute(WATCHER)
        admin.execute(debezium.PAYMENTS.read_bytes())
        buzz = HttpBuzz(HttpClient("the Buzz service", "buzz.url", buzz_url, 5.0))
        site = Site(admin, partial(open_session, dsn, SCHEMA), SCHEMA, buzz)
        rich, poor = site.user(), site.user()
        judged = [site.user() for _ in range(4)]
        bought = [(user, "User", 1_000) for user in (rich, *judged)] + [(poor, "User", 5)]
        till.sell(bought)
        for purchase in bought:
            site.run("INSERT INTO site_buzz_purchase VALUES (%s, %s, %s)", *purchase)
        free, dear = site.crucible(nsfwLevel=1), site.crucible(entryFee=FEE, entryLimit=9, nsfwLevel=1)
        cancelled = site.crucible(entryFee=FEE, entryLimit=9)
        for level in (1, 1, 16):
            user = site.user()
            site.enter(free, user, site.image(user, level))
        site.enter(dear, poor)
        for name, level in (("in", 1), ("out", 16)):
            charged_by_the_site(service, rich, f"site-{name}-", FEE)
            site.enter(dear, rich, site.image(rich, level), buzzTransactionId=f"site-{name}-")
        site.enter(dear, rich)
        withdrawn = site.enter(dear, rich)
        charged_by_the_site(service, rich, "site-late-", FEE)
        site.enter(cancelled, rich, site.image(rich, 0, "Pending"), buzzTransactionId="site-late-")
        site.enter(free, rich, site.image(rich, 0, "Pending"))
        endings = Endings(site, partial(open_session, dsn, SCHEMA), service)
        ended = endings.crucible()
        entries = endings.enter(ended, judged)
        casts = _vote(endings, ended, entries)
        endings.turn()
        endings.end(ended, "now")
        site.run('DELETE FROM "CrucibleEntry" WHERE id = %s', withdrawn)
        site.run("UPDATE \"Crucible\" SET status = 'Cancelled' WHERE id = %s", cancelled)
        site.decide()
        endings.go_on()
        return casts


def _vote(endings: Endings, crucible: int, entries: list[int]) -> list[Cast]:
    """Judge some pairs."""
    ratings, casts = dict.fromkeys(entries, BASE), []
    for winner, loser in ((0, 1), (2, 1), (2, 0), (2, 3), (0, 3)):
        endings.ballots.vote(crucible, entries[winner], entries[loser])
        points = gain(ratings[entries[winner]], ratings[entries[loser]])
        ratings[entries[winner]] += points
        ratings[entries[loser]] -= points
        after = ratings[entries[winner]], ratings[entries[loser]]
        casts.append(Cast(crucible, 1, len(casts) + 1, entries[winner], entries[loser], JUDGE, *after))
    return casts


def bring_over_all(places: Places, casts: list[Cast]) -> None:
    """Write every row and rating that the site calls for, what verdicts count, and the votes."""
    bring_over(places)
    store(places, casts)
    now, rows = datetime.now(UTC), []
    for entry, crucible, user, metric, value, number in places.postgres.execute(VERDICTS):
        identity = md5(f"{entry} {metric}".encode(), usedforsecurity=False).digest()
        rows.append(("Crucible", crucible, user, metric, value, now, "entry_verdict", entry, entry, identity, number))
    places.clickhouse.insert("entityMetricEvents", rows, column_names=COLUMNS)
