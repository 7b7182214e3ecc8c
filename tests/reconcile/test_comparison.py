"""A comparison names each kind of difference, and nothing where nothing differs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.reconcile.comparing import ENTRIES, compared, comparing
from tests.reconcile.conftest import World
from watcher.model import checksum
from watcher.model.counts import CountedTable
from watcher.postgres.counted_rows import CountedRows
from watcher.reconcile.rows.choice import Choice

from handlers import REGISTRY  # isort: skip


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
