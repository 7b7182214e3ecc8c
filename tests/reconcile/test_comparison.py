"""A comparison names each kind of difference, and nothing where nothing differs."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.command import crucible
from tests.reconcile.conftest import World
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model import checksum
from watcher.model.counts import CountedTable
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.own import key_mark
from watcher.reconcile.rows.choice import Choice
from watcher.reconcile.rows.table import TableComparison

from handlers import REGISTRY  # isort: skip

ENTRIES = REGISTRY.tables["CrucibleEntry"].counted


@contextmanager
def comparing(
    world: World,
    table: CountedTable = ENTRIES,
    range_keys: int = 100,
    looks: Any = None,
    reader: CountedTable | None = None,
) -> Iterator[TableComparison]:
    """Compare, and look again without waiting."""
    with world.session() as session:
        reads = ClickHouseReads(world.client, queries())
        rows, replica = CountedRows(session, table), CountedRows(session, reader) if reader else None
        yield TableComparison(table, rows, reads, looks or (lambda _: None), range_keys, reader=replica)


def compared(
    world: World,
    table: CountedTable = ENTRIES,
    range_keys: int = 100,
    looks: Any = None,
    choice: Choice | None = None,
) -> dict[int, Any]:
    """Return what differs, by key."""
    with comparing(world, table, range_keys, looks) as comparison:
        ranges = comparison.differing(lambda *_: None, choice=choice)
        return {one.key: one for _, found in ranges for one in found}


def test_where_all_agrees_nothing_is_read_row_by_row(world: World) -> None:
    """Whatever was counted there and back again."""
    contest = world.crucible()
    world.enter(contest, 350)
    world.count()
    world.count("id <= 50", sign=-1, lsn=10_000)
    world.count("id <= 50", lsn=20_000)
    with comparing(world) as comparison:
        ranges = list(comparison.differing(lambda *_: None))

    assert ranges == []


def test_each_kind_of_difference_is_named(world: World) -> None:
    contest, other = world.crucible(), world.crucible()
    world.enter(contest, 350)
    world.count("id NOT IN (7, 8, 340)")  # never counted
    world.count("id = 20", lsn=30_000)  # counted again
    world.count("id = 130", sign=-1, lsn=31_000)  # counted back, and is still there
    world.site.execute('DELETE FROM "CrucibleEntry" WHERE id IN (99, 300)')
    world.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = 200', (other,))

    found = compared(world)
    assert {key: one.kind.value for key, one in found.items()} == {
        7: "missing",
        8: "missing",
        20: "repeated",
        99: "left_over",
        130: "missing",
        200: "elsewhere",
        300: "left_over",
        340: "missing",
    }
    user = ("User", 3, 3, "crucibleEntryCount")
    assert found[200].expected == {("Crucible", other, 3, "Entry"): 1, user: 1}
    assert found[200].counted == {("Crucible", contest, 3, "Entry"): 1, user: 1}


def test_two_rows_that_took_each_others_user_are_two_differences(world: World) -> None:
    """Sums that only added would not see it."""
    contest = world.crucible()
    world.enter(contest, 3)
    world.count()
    world.site.execute('UPDATE "CrucibleEntry" SET "userId" = 4 - "userId"')

    assert {key: one.kind.value for key, one in compared(world).items()} == {2: "elsewhere", 3: "elsewhere"}


def test_a_row_that_counts_for_much_fits_its_sum(world: World) -> None:
    """Eight metrics of a row add up to more than 63 bits hold once they are multiplied by its key's number."""
    counts = [msgspec.structs.replace(ENTRIES.counts[0], metric_type=f"metric {number}") for number in range(8)]
    table = msgspec.structs.replace(ENTRIES, counts=tuple(counts))
    world.enter(world.crucible(), 250)
    expected = Counter[int]()
    with world.session() as session:
        sums = CountedRows(session, table).checksums(0, 300, 100)
        for key, metric, entity, user, value in CountedRows(session, table).of_range(0, 300):
            mixed = (key * checksum.KEY_FACTOR + checksum.KEY_TERM) % checksum.PRIME
            number = entity * checksum.ENTITY_FACTOR + user * checksum.USER_FACTOR + checksum.metric_term(metric)
            expected[key // 100] += mixed * mixed * number * value

    assert sums.keys() == expected.keys() == {0, 1, 2}
    assert all(checksum.same(total, expected[part]) for part, (total, _) in sums.items())


def test_rows_beyond_the_last_one_are_found(world: World) -> None:
    """A table that was emptied has no rows, and its counts are all left over."""
    contest = world.crucible()
    world.enter(contest, 10, first=1_000)
    world.count()
    world.events([("Crucible", contest, 1, "Entry", 1, -5, 90_000, 0)])
    world.site.execute('TRUNCATE "CrucibleEntry"')

    assert {one.kind.value for one in compared(world).values()} == {"left_over"}
    assert set(compared(world)) == {-5, *range(1_000, 1_010)}


def test_a_part_of_the_keys_is_compared_alone(world: World) -> None:
    """So that a table is compared bit by bit; the last part has what was counted of rows that are no more."""
    contest = world.crucible()
    world.enter(contest, 350)
    world.count("id NOT IN (7, 120, 299, 305)")
    world.events([("Crucible", contest, 1, "Entry", 1, 900, 90_000, 0)])
    told = list[tuple[int, int]]()

    def keys(comparison: TableComparison, part: range | None) -> set[int]:
        ranges = comparison.differing(lambda *said: told.append(said), part)
        return {one.key for _, found in ranges for one in found}

    with comparing(world) as comparison:
        assert comparison.ranges() == 4
        assert keys(comparison, range(1)) == {7}
        assert keys(comparison, range(1, 3)) == {120, 299}
        assert keys(comparison, range(3, 4)) == keys(comparison, range(3, 99)) == {305, 900}
        assert keys(comparison, range(4, 99)) == {900}
        assert keys(comparison, None) == {7, 120, 299, 305, 900}
    assert told[-1] == (4, 4)


def test_what_is_on_its_way_is_no_difference(world: World) -> None:
    """It is looked at again until it stays as it is."""
    contest = world.crucible()
    world.enter(contest, 20)
    world.count("id <= 10")
    arrivals = iter(["id BETWEEN 11 AND 15", "id BETWEEN 16 AND 19"])
    looks = []

    def arrive(seconds: float) -> None:
        looks.append(seconds)
        condition = next(arrivals, None)
        if condition:
            world.count(condition, lsn=40_000 + 1_000 * len(looks))

    assert {key: one.kind.value for key, one in compared(world, looks=arrive).items()} == {20: "missing"}
    assert len(looks) == 3


def test_the_command(world: World) -> None:
    """It exits with 1 where something differs, and names changes that are there twice and views that are wrong."""
    contest = world.crucible()
    world.enter(contest, 5)
    world.count()
    world.clickhouse.command("INSERT INTO entityMetricEvents SELECT * FROM entityMetricEvents WHERE sourceKey = 3")
    world.clickhouse.command("ALTER TABLE metric_daily_v1 DELETE WHERE entity_id = 2 SETTINGS mutations_sync = 2")
    done = crucible("reconcile", "--table", "CrucibleEntry", "--json", environ=world.environ)

    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [(one["table"], one["kinds"]) for one in report["tables"]] == [("CrucibleEntry", {"repeated": 1})]
    assert [(one["source"], one["rows"], one["keys"]) for one in report["twice"]] == [("CrucibleEntry", 2, [3, 3])]
    assert [one["view"] for one in report["views"]] == ["metric_daily"]
    made_with, found = world.site.execute(
        "SELECT made_with, found FROM crucible_watcher.reconcile_run ORDER BY ended DESC LIMIT 1"
    ).fetchone()  # type: ignore[misc]
    kinds = {"repeated": 1, "twice": 2}
    assert (made_with, found) == ("command", {"CrucibleEntry": kinds, "metric_daily": {"view": 1}})
    told = crucible("reconcile", "--table", "CrucibleEntry", "--dry-run", environ=world.environ)
    assert "CrucibleEntry  repeated" in told.stdout
    assert crucible("reconcile", "--table", "Nothing", environ=world.environ).returncode == 2


def test_the_command_makes_views_anew(world: World) -> None:
    """And its log says who did it."""
    world.enter(world.crucible(), 5)
    world.count()
    world.clickhouse.command("ALTER TABLE metric_daily_v1 DELETE WHERE entity_id = 2 SETTINGS mutations_sync = 2")
    done = crucible("reconcile", "--fix", "--table", "CrucibleEntry", "--json", environ=world.environ)

    assert done.returncode == 0, done.stderr
    assert [(one["view"], one["mended"]) for one in json.loads(done.stdout)["views"]] == [("metric_daily", True)]
    asked = "SELECT sum(total) FROM {} WHERE entity_id = 2"
    shown = [world.clickhouse.query(asked.format(view)).result_rows for view in ("metric_daily", "metric_totals")]
    assert shown[0] == shown[1]
    (latest,) = json.loads(crucible("reconcile", "--log", "--json", environ=world.environ).stdout)[:1]
    assert (latest["table"], latest["kinds"], latest["rows"]) == ("metric_daily", {"made anew": 1}, 1)


FAR = 1_000_000_000
"""An id far above the others, as one of a test may be: a gap of ten million ranges of 100 keys."""


def test_gaps_of_ids_are_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a few questions; what was counted in the middle of a gap, of no row, is found all the same."""
    contest = world.crucible()
    world.enter(contest, 20)
    world.enter(contest, 1, first=FAR)
    world.enter(contest, 1, first=FAR // 2)
    world.count("id <> 5")
    world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = %s', (FAR // 2,))
    questions = list[int]()
    asked = CountedRows.checksums

    def checksums(self: CountedRows, low: int, *given: Any) -> Any:
        questions.append(low)
        return asked(self, low, *given)

    monkeypatch.setattr(CountedRows, "checksums", checksums)
    assert compared(world).keys() == {5, FAR // 2}
    assert len(questions) < 10

    since = Choice(since=datetime(2020, 1, 1, tzinfo=UTC))
    assert compared(world, choice=since).keys() == {5, FAR // 2}
    with comparing(world) as comparison:
        places = [1, 1000, FAR // 200 + 1, FAR // 100, FAR // 100 + 1]
        assert [comparison.next_range(one) for one in places] == [
            FAR // 200, FAR // 200, FAR // 100, FAR // 100, FAR // 100 + 1,
        ]  # fmt: skip


def test_a_key_that_no_row_can_have_is_left_over(world: World) -> None:
    """Counted under a number that the column of ids has no place for, it is told and not stumbled over."""
    contest, key = world.crucible(), 5_000_000_000
    world.enter(contest, 5)
    world.count()
    world.events([("Crucible", contest, 1, "Entry", 1, key, 9_000, 0)])

    assert {one: found.kind.value for one, found in compared(world).items()} == {key: "left_over"}


def test_chosen_rows_far_below_zero_are_found_once(world: World) -> None:
    """They are in windows of sixteen ranges, of which the first alone has whatever is below."""
    contest = world.crucible()
    for first in (-9_000, -6_000, -3_000, 1):
        world.enter(contest, 1, first=first)
    with comparing(world) as comparison:
        ranges = comparison.differing(lambda *_: None, choice=Choice(since=datetime(2020, 1, 1, tzinfo=UTC)))
        found = Counter(one.key for _, some in ranges for one in some)

    assert found == {-9_000: 1, -6_000: 1, -3_000: 1, 1: 1}


def test_amounts_and_states_are_in_the_sums(world: World) -> None:
    """Verdicts count by what they say and for what was paid; negative and large amounts are numbers like any other."""
    world.site.execute(
        """INSERT INTO crucible_watcher.entry_verdict
                  (entry_id, crucible_id, user_id, image_id, verdict, fee, entered_at)
           SELECT n, 5, 3, 9, CASE n % 3 WHEN 0 THEN 'admitted' WHEN 1 THEN 'rejected' ELSE 'waiting' END,
                  CASE n % 3 WHEN 0 THEN 2000000000 + n ELSE 0 END, now() FROM generate_series(1, 250) n"""
    )
    rows = []
    for n in range(1, 251):
        said = {0: "EntryAdmitted", 1: "EntryRejected"}.get(n % 3)
        rows += [(said, 1, n)] if said else []
        if n % 3 == 0:
            rows += [("PrizePool", 7, n), ("PrizePool", -7, n), ("PrizePool", 2_000_000_000 + n, n)]
    world.events(
        [("Crucible", 5, 3, metric, value, n, at, 0) for at, (metric, value, n) in enumerate(rows)], "entry_verdict"
    )
    verdicts = REGISTRY.tables["entry_verdict"].counted
    with comparing(world, verdicts) as comparison:
        assert list(comparison.differing(lambda *_: None)) == []
    world.site.execute("UPDATE crucible_watcher.entry_verdict SET fee = fee - 1 WHERE entry_id = 99")
    world.site.execute("UPDATE crucible_watcher.entry_verdict SET verdict = 'waiting' WHERE entry_id = 4")

    assert {key: one.kind.value for key, one in compared(world, verdicts).items()} == {4: "left_over", 99: "elsewhere"}


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


def test_only_one_crucible(world: World) -> None:
    """Its row, its entries, and what was counted for it of entries that are elsewhere or gone."""
    contest, other = world.crucible(), world.crucible()
    world.enter(contest, 300)
    world.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id <= 100', (other,))
    world.count("id NOT IN (7, 207)")
    world.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = 150', (other,))
    world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 240')

    assert set(compared(world, choice=Choice(crucible=contest))) == {150, 207, 240}
    assert set(compared(world, choice=Choice(crucible=other))) == {7, 150}
    crucibles = REGISTRY.tables["Crucible"].counted
    assert set(compared(world, crucibles, choice=Choice(crucible=other))) == {other}
    world.site.execute('TRUNCATE "CrucibleEntry"')
    assert set(compared(world, choice=Choice(crucible=other))) == set(range(1, 101)) - {7}


def test_only_what_is_new(world: World) -> None:
    """Rows that were made since, and those of which something was counted; of the others nothing is said."""
    contest, now = world.crucible(), datetime.now(UTC)
    world.enter(contest, 300)
    world.site.execute('UPDATE "CrucibleEntry" SET "createdAt" = now() - interval \'40 days\' WHERE id <= 200')
    world.count("id NOT IN (7, 8, 207)", at=now - timedelta(days=40))
    world.events([("User", 5, 5, "crucibleEntryCount", 1, key, 70_000 + key, 0) for key in (8, 900)])
    since = now - timedelta(days=1)

    assert {key: one.kind.value for key, one in compared(world, choice=Choice(since=since)).items()} == {
        8: "elsewhere",
        207: "missing",
        900: "left_over",
    }
    assert set(compared(world, choice=Choice(since=since, crucible=contest))) == {207}
    assert set(compared(world)) == {7, 8, 207, 900}


@contextmanager
def behind(world: World) -> Iterator[CountedTable]:
    """The entries as they are now, for whoever asks later."""
    world.site.execute(
        'CREATE SCHEMA replica; CREATE TABLE replica."CrucibleEntry" AS SELECT * FROM public."CrucibleEntry";'
        "GRANT USAGE ON SCHEMA replica TO crucible_watcher;"
        'GRANT SELECT ON replica."CrucibleEntry" TO crucible_watcher'
    )
    try:
        yield msgspec.structs.replace(ENTRIES, schema="replica")
    finally:
        world.site.execute("DROP SCHEMA replica CASCADE")


def test_a_replica_that_is_behind_is_no_difference(world: World) -> None:
    """What it shows otherwise is looked at where rows are written; what differs there too is told as it is there."""
    contest = world.crucible()
    world.enter(contest, 250)
    with behind(world) as replica:
        world.site.execute('DELETE FROM "CrucibleEntry" WHERE id IN (30, 31)')
        world.site.execute('UPDATE "CrucibleEntry" SET "userId" = 4 - "userId" WHERE id IN (119, 120)')
        world.enter(contest, 5, first=251)
        world.count("id NOT IN (120, 200)")
        looks = list[float]()
        with comparing(world, looks=looks.append, reader=replica) as comparison:
            found = {one.key: one for _, part in comparison.differing(lambda *_: None) for one in part}

    assert set(found) == {120, 200}
    assert found[120].expected == {("Crucible", contest, 3, "Entry"): 1, ("User", 3, 3, "crucibleEntryCount"): 1}
    assert looks == [2.0]  # for all of which the replica shows something else


def test_a_question_that_takes_too_long_is_asked_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server gives up on more than two ranges; all are compared nevertheless."""
    contest = world.crucible()
    world.enter(contest, 1_000)
    world.count("id <> 777")
    asked = list[int]()
    checksums = CountedRows.checksums

    def slow(rows: CountedRows, low: int, high: int, size: int, since: Any) -> Any:
        asked.append((high - low) // size)
        if asked[-1] > 1:
            rows._session.run("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)")
        return checksums(rows, low, high, size, since)

    monkeypatch.setattr(CountedRows, "checksums", slow)

    assert set(compared(world)) == {777}
    assert asked == [4, *[1] * 11]
