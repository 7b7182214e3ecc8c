"""The audit agrees with sinks that are right, and sees each way in which they can be wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.audit import Kind, audit, compare_redis
from demo.verdict import verdict
from tests.demo.conftest import NewSite, one
from tests.demo.perfect_watcher import COLUMNS, bring_over

if TYPE_CHECKING:
    from demo.places import Places

ANY_ROW = "entityType = 'Crucible' AND metricType = 'Entry' AND metricValue = 1"


@pytest.fixture
def site(new_site: NewSite) -> str:
    """A busy site."""
    return new_site(lived=(11, 220))


@pytest.fixture
def right(places: Places) -> Places:
    """Its sinks are right."""
    bring_over(places)
    return places


def test_right_sinks_pass(right: Places) -> None:
    """Nothing is found, and the numbers are those of Postgres."""
    report = audit(right)

    assert report.ok, str(report)
    assert report.changes == one(right.postgres, "SELECT count(*) FROM site_change_log") > 200
    assert report.entries == one(right.postgres, 'SELECT count(*) FROM "CrucibleEntry"') > 0


def test_row_lost_in_clickhouse_is_found(right: Places) -> None:
    """One row deleted: one change lost, and the raw sums are off while the views are not."""
    identity = _identity(right)
    _delete(right, f"sourceId = unhex('{identity}') AND {ANY_ROW}")

    report = audit(right)
    assert (report.lost, report.twice) == (1, 0)
    assert {finding.where for finding in report.findings} == {"rows", "totals", "entries"}


def test_row_counted_twice_is_found(right: Places) -> None:
    """One row inserted once more, with its identity: it occurs twice, and every view is off by one."""
    _repeat(right)

    report = audit(right)
    assert (report.lost, report.twice) == (0, 1)
    places = {finding.where for finding in report.findings}
    assert places >= {
        "rows",
        "identities",
        "totals",
        "metric_totals",
        "metric_daily",
        "metric_hourly",
        "crucible_stats",
    }


def test_view_that_missed_rows_is_found(right: Places) -> None:
    """A view without its rows is wrong although the raw table is right."""
    right.clickhouse.command("TRUNCATE TABLE metric_daily_v1")

    report = audit(right)
    assert (report.lost, report.twice) == (0, 0)
    assert {finding.where for finding in report.findings} == {"metric_daily"}


def test_lost_deletion_is_lost(right: Places) -> None:
    """A missing -1 is a loss, not a double count, though the sum is too high."""
    _delete(right, f"sourceId = unhex('{_identity(right, value=-1)}')")

    report = audit(right)
    assert report.lost > 0
    assert report.twice == 0


def test_loss_and_gain_do_not_cancel(right: Places) -> None:
    """A lost row and another counted twice in the same crucible leave the sum right, and are both found."""
    rows = right.clickhouse.query(
        f"SELECT entityId, arraySort(groupUniqArray(hex(sourceId))) FROM entityMetricEvents WHERE {ANY_ROW} "  # noqa: S608
        "GROUP BY entityId HAVING uniqExact(userId) > 1 AND count() > 1 ORDER BY entityId LIMIT 1"
    ).result_rows
    crucible, (lost, *_, again) = rows[0]
    _repeat(right, again)
    _delete(right, f"sourceId = unhex('{lost}') AND {ANY_ROW}")

    report = audit(right)
    sums = [finding.what for finding in report.findings if finding.where == "totals"]
    assert not [what for what in sums if what.startswith(f"Crucible {crucible} ")]
    assert {finding.where for finding in report.findings} >= {"identities", "entries"}


def test_rating_lost_in_redis_is_found(right: Places) -> None:
    """An entry without a rating is lost, and named."""
    crucible, entry = _standing(right)
    right.redis.hdel(f"crucible:{crucible}:elo", str(entry))

    report = audit(right)
    assert [(finding.kind, finding.what) for finding in report.findings] == [
        (Kind.LOST, f"crucible:{crucible}:elo lacks entry {entry}")
    ]


def test_entry_that_stays_in_redis_is_found(right: Places) -> None:
    """A rating of an entry that left is a lost deletion."""
    crucible, _ = _standing(right)
    right.redis.hset(f"crucible:{crucible}:elo", "999999", "1500")

    assert audit(right).lost == 1


def test_crucible_that_stays_in_redis_is_found(right: Places) -> None:
    """So are the ratings of a crucible that was deleted."""
    gone = one(
        right.postgres,
        "SELECT crucible_before FROM site_change_log WHERE tbl = 'Crucible' AND op = 'd' "
        'AND crucible_before NOT IN (SELECT id FROM "Crucible") LIMIT 1',
    )
    right.redis.hset(f"crucible:{gone}:elo", "1", "1500")

    assert audit(right).lost == 1


@pytest.mark.parametrize(
    ("shown", "over", "lost"),
    [((), {7}, []), ((), set(), ["1", "2"]), ((1,), {7}, ["2"])],
    ids=["nothing of one that is over", "control: it is not over", "control: it was seen before"],
)
def test_a_crucible_that_was_over_before_it_was_seen(
    right: Places, shown: tuple[int, ...], over: set[int], lost: list[str]
) -> None:
    right.redis.delete("crucible:7:elo")
    for entry in shown:
        right.redis.hset("crucible:7:elo", str(entry), "1500")

    found = compare_redis(right.redis, {7: {1, 2}}, {}, over)

    assert [str(one) for one in found] == [f"redis: crucible:7:elo lacks entry {entry}, lost 1" for entry in lost]


def test_rating_that_nobody_voted_for_is_found(right: Places) -> None:
    """Without votes every rating is 1500."""
    crucible, entry = _standing(right)
    right.redis.hset(f"crucible:{crucible}:elo", str(entry), "1516")

    report = audit(right)
    assert (report.lost, report.twice, report.wrong) == (0, 0, 1)


def _standing(places: Places) -> tuple[int, int]:
    row = places.postgres.execute('SELECT "crucibleId", id FROM "CrucibleEntry" ORDER BY id LIMIT 1').fetchone()
    assert row is not None
    return row[0], row[1]


def _identity(places: Places, value: int = 1) -> str:
    where = f"entityType = 'Crucible' AND metricType = 'Entry' AND metricValue = {value}"
    query = f"SELECT hex(sourceId) FROM entityMetricEvents WHERE {where} ORDER BY sourceLsn LIMIT 1"  # noqa: S608
    return str(places.clickhouse.query(query).result_rows[0][0])


def _delete(places: Places, where: str) -> None:
    places.clickhouse.command(f"ALTER TABLE entityMetricEvents DELETE WHERE {where}", settings={"mutations_sync": 2})


def _repeat(places: Places, identity: str | None = None) -> None:
    which = identity or _identity(places)
    columns = ", ".join(COLUMNS)
    places.clickhouse.command(
        f"INSERT INTO entityMetricEvents ({columns}) SELECT {columns} FROM entityMetricEvents "  # noqa: S608
        f"WHERE sourceId = unhex('{which}') AND {ANY_ROW} LIMIT 1"
    )


def test_a_demo_in_which_nothing_was_put_right_has_shown_nothing(right: Places) -> None:
    """Rows that came by a repair are told by their numbers; the last line names how many rows they are of."""
    before = audit(right)
    right.clickhouse.command(
        "INSERT INTO entityMetricEvents SELECT * REPLACE (sourceIndex + 128 AS sourceIndex) FROM entityMetricEvents "
        "WHERE source = 'Crucible' ORDER BY sourceKey LIMIT 1"
    )
    after = replace(audit(right), findings=())

    assert (before.repaired, after.repaired) == (0, 1)
    assert "nothing was put right" in verdict(replace(before, votes=1), 1.0, voted=True)
    assert verdict(replace(after, votes=1), 1.0, voted=True).startswith("ok ")
    assert " repaired=1 " in verdict(replace(after, votes=1), 1.0, voted=True)
