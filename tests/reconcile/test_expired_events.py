"""Where ClickHouse takes old events away, rows are compared that are young enough."""

from datetime import UTC, datetime, timedelta

from tests.reconcile.comparing import ENTRIES, compared, comparing
from tests.reconcile.conftest import World
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.own import key_mark


def test_where_old_events_are_taken_away_only_later_rows_are_compared(world: World) -> None:
    """Of a month that is partly expired nothing is told: neither of its rows nor of what is left of their events."""
    world.clickhouse.command("ALTER TABLE entityMetricEvents MODIFY TTL createdAt + INTERVAL 30 DAY")
    contest, today = world.crucible(), datetime.now(UTC)
    world.enter(contest, 300)
    world.site.execute('UPDATE "CrucibleEntry" SET "createdAt" = now() - interval \'40 days\' WHERE id <= 100')
    world.site.execute('UPDATE "CrucibleEntry" SET "createdAt" = now() - interval \'29 days\' WHERE id <= 20')
    world.count("id > 20 AND id <= 60", at=today - timedelta(days=29))  # of the others' everything is gone
    world.count("id > 100 AND id <> 222")
    # What became of old rows meanwhile: one moved, one went, one was mended.
    world.site.execute('UPDATE "CrucibleEntry" SET "userId" = 3 WHERE id = 75')
    world.events(
        [
            ("User", 1, 1, "crucibleEntryCount", -1, 75, 70_000, 0),
            ("User", 3, 3, "crucibleEntryCount", 1, 75, 70_000, 1),
            ("User", 2, 2, "crucibleEntryCount", -1, 900, 71_000, 0),
            ("User", 2, 2, "crucibleEntryCount", 1, 76, 72_000, 128),
        ]
    )
    # A deletion that nobody counted, of a row that was counted when it was made.
    world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 250')
    with comparing(world) as comparison:
        found = {one.key: one.kind.value for _, part in comparison.differing(lambda *_: None) for one in part}

        assert found == {222: "missing", 250: "left_over"}
        assert comparison.too_old == 100
        assert comparison.kept_since is not None
        assert comparison.kept_since == datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=27)
        assert [one.key for one in comparison.of_keys([10, 75, 76, 222, 900])] == [222]


def test_what_was_counted_back_of_young_rows_is_told_where_old_events_are_taken_away(world: World) -> None:
    """A row that nobody had when its table was marked was made since: it is no old one, whose creation has expired."""
    world.clickhouse.command("ALTER TABLE entityMetricEvents MODIFY TTL createdAt + INTERVAL 30 DAY")
    contest, now = world.crucible(), datetime.now(UTC)
    world.enter(contest, 100)
    world.count("id <> 90")
    with world.session() as session:
        rows = CountedRows(session, ENTRIES)
        key_mark.note(session, "CrucibleEntry", rows.highest(), now - timedelta(days=3))
        key_mark.note(session, "CrucibleEntry", 10_000, now - timedelta(days=2))  # a later one tells of fewer
        key_mark.note(session, "CrucibleEntry", 1, now - timedelta(days=28))  # of days that are left out
    before, since = now - timedelta(days=4), now - timedelta(days=1)
    gone = ("User", 2, 2, "crucibleEntryCount", -1)
    world.events([(*gone, 90, 70_000, 0), (*gone, 101, 70_001, 0)], at=since)  # 90 may be an old one, and was no row
    world.events([(*gone, 102, 70_002, 0)], at=before)  # it may have been one, and was gone when its table was marked
    world.events([(*gone, 103, 70_003, 0), ("User", 3, 3, "crucibleEntryCount", 1, 103, 70_003, 1)], at=before)
    world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 90')

    assert {key: one.counted for key, one in compared(world).items()} == {
        101: {gone[:4]: -1},
        103: {("User", 3, 3, "crucibleEntryCount"): 1},  # an old one that moved, and whose deletion was never counted
    }


def test_a_row_that_was_seen_missing_is_no_old_one_when_it_has_gone(world: World) -> None:
    """It is mended though it goes in between, and its deletion is counted."""
    world.clickhouse.command("ALTER TABLE entityMetricEvents MODIFY TTL createdAt + INTERVAL 30 DAY")
    contest = world.crucible()
    world.enter(contest, 10)
    world.count("id <> 5")
    with comparing(world) as comparison:
        assert [one.key for _, part in comparison.differing(lambda *_: None) for one in part] == [5]
        world.count("id = 5", sign=-1, lsn=60_000)
        world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 5')

        assert [(one.key, one.kind) for one in comparison.of_keys([5])] == [(5, "left_over")]
