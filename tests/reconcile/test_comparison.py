"""A comparison names each kind of difference, and nothing where nothing differs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.command import crucible
from tests.reconcile.conftest import World
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.session import open_session
from watcher.reconcile.table import TableComparison

from handlers import REGISTRY  # isort: skip

ENTRIES = REGISTRY.tables["CrucibleEntry"].counted


@contextmanager
def comparing(
    world: World, table: CountedTable = ENTRIES, range_keys: int = 100, looks: Any = None
) -> Iterator[TableComparison]:
    """Compare, and look again without waiting."""
    with open_session(world.environ["CRUCIBLE_POSTGRES__DSN"], "crucible_watcher") as session:
        reads = ClickHouseReads(world.client, queries())
        yield TableComparison(table, CountedRows(session, table), reads, looks or (lambda _: None), range_keys)


def compared(world: World, table: CountedTable = ENTRIES, range_keys: int = 100, looks: Any = None) -> dict[int, Any]:
    """Return what differs, by key."""
    with comparing(world, table, range_keys, looks) as comparison:
        return {one.key: one for _, found in comparison.differing(lambda *_: None) for one in found}


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


def test_rows_beyond_the_last_one_are_found(world: World) -> None:
    """A table that was emptied has no rows, and its counts are all left over."""
    contest = world.crucible()
    world.enter(contest, 10, first=1_000)
    world.count()
    world.site.execute('TRUNCATE "CrucibleEntry"')

    assert {one.kind.value for one in compared(world).values()} == {"left_over"}
    assert set(compared(world)) == set(range(1_000, 1_010))


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
    assert told[-1] == (5, 5)


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


@pytest.mark.parametrize("break_view", [False, True])
def test_the_command(world: World, *, break_view: bool) -> None:
    """It exits with 1 where something differs, and names changes that are there twice and views that are wrong."""
    contest = world.crucible()
    world.enter(contest, 5)
    world.count()
    world.clickhouse.command("INSERT INTO entityMetricEvents SELECT * FROM entityMetricEvents WHERE sourceKey = 3")
    if break_view:
        world.clickhouse.command("ALTER TABLE metric_daily_v1 DELETE WHERE entity_id = 2 SETTINGS mutations_sync = 2")
    done = crucible("reconcile", "--table", "CrucibleEntry", "--json", environ=world.environ)

    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [(one["table"], one["kinds"]) for one in report["tables"]] == [("CrucibleEntry", {"repeated": 1})]
    assert [(one["source"], one["rows"], one["keys"]) for one in report["twice"]] == [("CrucibleEntry", 2, [3, 3])]
    assert [one["view"] for one in report["views"]] == (["metric_daily"] if break_view else [])
    made_with, found = world.site.execute(
        "SELECT made_with, found FROM crucible_watcher.reconcile_run ORDER BY ended DESC LIMIT 1"
    ).fetchone()  # type: ignore[misc]
    views = {"metric_daily": {"view": 1}} if break_view else {}
    assert (made_with, found) == ("command", {"CrucibleEntry": {"repeated": 1, "twice": 2}, **views})
    told = crucible("reconcile", "--table", "CrucibleEntry", environ=world.environ)
    assert "CrucibleEntry  repeated" in told.stdout
    assert crucible("reconcile", "--table", "Nothing", environ=world.environ).returncode == 2


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
