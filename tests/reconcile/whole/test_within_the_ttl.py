"""What ClickHouse has taken away by its TTL is no difference. Comes last: it leaves rows without events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.awaiting import await_that
from tests.reconcile.whole.conftest import PATIENCE_SECONDS

if TYPE_CHECKING:
    from tests.reconcile.whole.conftest import Whole

KEPT_DAYS = 30
AGED = """UPDATE "CrucibleEntry" SET "createdAt" = now() AT TIME ZONE 'UTC' - make_interval(days => %s)
WHERE id = ANY(%s)"""


def test_a_month_that_was_partly_expired(whole: Whole) -> None:
    """Of rows of that month some have their events and others not: both are left alone, and newer ones are mended."""
    old = whole.enter(40)
    whole.await_counted(old)
    expired = old[:20]
    with whole.people():
        with whole.site() as site:
            site.execute(AGED, (KEPT_DAYS + 5, old))
        whole.clickhouse(f"ALTER TABLE entityMetricEvents MODIFY TTL toDateTime(createdAt) + INTERVAL {KEPT_DAYS} DAY")
        whole.clickhouse(
            "ALTER TABLE entityMetricEvents DELETE WHERE source = 'CrucibleEntry' "
            f"AND sourceKey IN ({', '.join(map(str, expired))})"
        )
        with whole.unpublished("CrucibleEntry"):
            unseen = whole.enter(40)
        whole.await_counted(whole.enter(20))
        before = whole.counted([*old, *unseen])
        mended = whole.mended()
    await_that(lambda: whole.counted(unseen) == set(unseen), "newer rows to count", PATIENCE_SECONDS)

    assert before == set(old[20:])
    assert mended["CrucibleEntry", "missing"] >= len(unseen)
    assert whole.counted(old) == set(old[20:])
    whole.await_right(expired)  # events of today were taken away in place of old ones: views are without them too
