"""PostgreSQL and ClickHouse each tell whether the other was set back in place, without Redis."""

from collections.abc import Iterator

import pytest

from tests.reconcile.conftest import World
from watcher.clickhouse.link import ClickHouseLink
from watcher.model.errors import HistoryChangedError, TemporaryError
from watcher.postgres.own import history, reconcile_needed
from watcher.reconcile.daemon.marks import SECOND_LOOK_SECONDS, CompareMarks

TABLES = ("Crucible", "CrucibleEntry")
HOUR_SECONDS = 3_600.0


def process(world: World, every: float = 0.0) -> CompareMarks:
    """A watcher's task."""
    session = world.session
    return CompareMarks(session, ClickHouseLink(world.client), watcher=world.database, tables=TABLES, every=every)


def marks(world: World) -> tuple[int, int, int]:
    """What counts: the last mark in PostgreSQL, the last one that is confirmed there, and that of ClickHouse."""
    counted = world.site.execute("SELECT number, confirmed FROM crucible_watcher.clickhouse_mark").fetchone() or (0, 0)
    found = world.clickhouse.query("SELECT max(mark).2 FROM watcher_mark").result_rows
    return counted[0], counted[1], int(found[0][0])


@pytest.fixture
def marked(world: World) -> Iterator[World]:
    """Both stores have had three marks."""
    world.site.execute(
        "TRUNCATE crucible_watcher.history, crucible_watcher.reconcile_needed;"
        "UPDATE crucible_watcher.clickhouse_mark SET history = 0, number = 0, confirmed = 0, set_at = NULL"
    )
    one = process(world)
    for _ in range(3):
        one.turn()
    yield world
    one.end()
    world.site.execute("TRUNCATE crucible_watcher.history, crucible_watcher.reconcile_needed")


def needs(world: World) -> list[tuple[str, str]]:
    with world.session() as session:
        return [(one.source_table, one.reason) for one in reconcile_needed.needs(session)]


def test_one_of_all_processes_sets_a_mark_when_it_is_due(marked: World) -> None:
    """Nothing else is written, and nothing is noted."""
    one, other = process(marked, HOUR_SECONDS), process(marked, HOUR_SECONDS)

    assert (one.turn(), other.turn()) == (HOUR_SECONDS, HOUR_SECONDS)
    assert marks(marked) == (3, 3, 3)
    process(marked).turn()
    assert (marks(marked), needs(marked)) == ((4, 4, 4), [])


@pytest.mark.parametrize(
    "older",
    [
        "UPDATE crucible_watcher.clickhouse_mark SET number = 2, confirmed = 2",
        "DELETE FROM crucible_watcher.history",  # a copy from before the watcher ran, after which it began anew
    ],
)
def test_a_postgres_that_was_set_back_stops_the_watcher(marked: World, older: str) -> None:
    """It names what to do, until a person has accepted it; then marks go on in the next history."""
    one = process(marked)
    with marked.session() as session:
        if older.startswith("DELETE"):
            marked.site.execute("UPDATE crucible_watcher.history SET fell_from = 1")
            history.accept(session)
            one.turn()
            marked.site.execute("DELETE FROM crucible_watcher.history WHERE number > 1")
            marked.site.execute("UPDATE crucible_watcher.history SET fell_from = NULL")
        else:
            marked.site.execute(older)
        stopped = r"set back in place.*`crucible history accept`.*then `crucible reconcile --fix`"
        with pytest.raises(HistoryChangedError, match=stopped):
            one.turn()
        with pytest.raises(HistoryChangedError, match=stopped):
            history.check(session)
        accepted = history.accept(session).number
        one.turn()

    assert (accepted, marks(marked)[2]) == (2, marks(marked)[1])


def test_a_log_that_ends_below_the_mark_stops_the_watcher(marked: World) -> None:
    """Its numbers may have come to more by then."""
    marked.clickhouse.command(f"INSERT INTO watcher_mark SELECT '{marked.database}', (1, 3, {1 << 50})")

    with pytest.raises(HistoryChangedError, match=r"changes came from its log up to LSN 40000/0"):
        process(marked).turn()


@pytest.mark.parametrize("older", [2, 0])
def test_a_clickhouse_that_was_set_back_is_noted_once(marked: World, older: int) -> None:
    """Every table is to be compared: what was counted since the copy was made is lost. Counting goes on."""
    set_back(marked, older)
    one = process(marked)
    assert one.turn() == SECOND_LOOK_SECONDS
    assert (needs(marked), marks(marked)[2]) == ([], older)
    one.turn()
    assert sorted(needs(marked)) == [(table, "counts_set_back") for table in TABLES]
    marked.site.execute("TRUNCATE crucible_watcher.reconcile_needed")
    one.turn()
    process(marked).turn()

    assert (needs(marked), marks(marked)) == ([], (6, 6, 6))


def test_a_clickhouse_that_only_lags_is_asked_again(marked: World) -> None:
    """A replica that had not got the last mark yet."""
    set_back(marked, 2)
    one = process(marked)
    assert one.turn() == SECOND_LOOK_SECONDS
    marked.clickhouse.command(f"INSERT INTO watcher_mark SELECT '{marked.database}', (1, 3, 1)")
    one.turn()

    assert (needs(marked), marks(marked)) == ([], (4, 4, 4))


def test_a_mark_that_did_not_arrive_is_no_sign(marked: World) -> None:
    """It was counted in PostgreSQL, and not confirmed."""
    marked.site.execute("UPDATE crucible_watcher.clickhouse_mark SET number = 9")
    process(marked).turn()

    assert (needs(marked), marks(marked)) == ([], (10, 10, 10))


def test_a_table_that_is_missing_is_waited_for(marked: World) -> None:
    """Counting goes on meanwhile."""
    marked.clickhouse.command("RENAME TABLE watcher_mark TO hidden")
    with pytest.raises(TemporaryError):
        process(marked).turn()
    marked.clickhouse.command("RENAME TABLE hidden TO watcher_mark")
    process(marked).turn()

    assert marks(marked) == (4, 4, 4)


def set_back(world: World, number: int) -> None:
    """Have ClickHouse be a copy that has had so many marks."""
    world.clickhouse.command("TRUNCATE TABLE watcher_mark")
    if number:
        world.clickhouse.command(f"INSERT INTO watcher_mark SELECT '{world.database}', (1, {number}, 1)")
