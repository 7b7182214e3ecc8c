"""What was counted of rows is put right once, whoever does it, dies in it, or comes late."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest
from xxhash import xxh3_128_digest

from handlers import REGISTRY
from tests.command import crucible
from tests.reconcile.conftest import World
from tests.scythe import Scythe
from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.model import repair as repair_rows
from watcher.model.metric_rows import MetricRows
from watcher.model.plan import Plan
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.own import history, reconcile_needed, repair
from watcher.postgres.session import Session, open_session
from watcher.reconcile.repairs import repairer
from watcher.reconcile.repairs.after_repairs import AfterRepairs
from watcher.reconcile.repairs.repairer import Repairer
from watcher.reconcile.repairs.stream import StreamStandsError
from watcher.reconcile.rows.events_twice import events_twice
from watcher.reconcile.rows.table import TableComparison

ENTRIES = REGISTRY.tables["CrucibleEntry"].counted


class Mender:
    """A run of its own: connections, and what it mends with."""

    def __init__(self, world: World, session: Session, pause: Callable[[float], None] = lambda _: None) -> None:
        reads = ClickHouseReads(world.client, queries())
        self.comparison = TableComparison(ENTRIES, CountedRows(session, ENTRIES), reads, lambda _: None, 100)
        self.insert = PlannedInsert(REPAIRS, ClickHouseLink(world.client), queries())
        self.passed = list[int]()
        self.repairer = Repairer(
            session,
            "CrucibleEntry",
            self.comparison,
            insert=self.insert,
            reads=reads,
            await_passed=self.passed.append,
            made_by="a test",
            pause=pause,
        )

    def found(self) -> list[Any]:
        """What differs now."""
        return [one for _, found in self.comparison.differing(lambda *_: None) for one in found]

    def mend(self) -> dict[str, int]:
        """Carry out what was decided, then mend what differs."""
        self.repairer.finish_open()
        return self.repairer.mend(self.found()).kinds


@contextmanager
def mending(world: World, **given: Any) -> Iterator[Mender]:
    """Open a run."""
    with world.session() as session:
        history.check(session)
        mender = Mender(world, session, **given)
        yield mender
        mender.insert.close()


@pytest.fixture
def broken(world: World) -> World:
    """A site of 300 entries, of which three were never counted, one is counted twice, and one is gone."""
    world.site.execute("TRUNCATE crucible_watcher.repair")
    contest = world.crucible()
    world.enter(contest, 300)
    world.count("id NOT IN (7, 8, 250)")
    world.count("id = 20", lsn=30_000)
    world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 99')
    return world


def total(world: World) -> int:
    """Return what all counts of entries add up to, in the view that people read."""
    asked = "SELECT sum(total) FROM metric_totals WHERE metric_type = 'Entry'"
    return int(world.clickhouse.query(asked).result_rows[0][0])


def test_everything_is_put_right(broken: World) -> None:
    """In the views too, under the log's position until which the stream was waited for."""
    with mending(broken) as one:
        mended = one.mend()
        left = one.found()
        (logged,) = repair.log(one.repairer._session, 5)

    assert mended == {"missing": 3, "repeated": 1, "left_over": 1}
    assert (left, total(broken)) == ([], 299)
    assert (logged.made_by, logged.rows, logged.done_at is not None) == ("a test", 5, True)
    assert len(one.passed) == 1


def test_what_goes_wrong_in_the_same_way_again_is_put_right_again(broken: World) -> None:
    """The same row, missing for the second time: the repair of the first time is no reason to leave it."""
    with mending(broken) as one:
        one.mend()
        broken.count("id = 7", sign=-1, lsn=60_000)
        again = one.mend()

        assert (again, one.found()) == ({"missing": 1}, [])


@pytest.mark.parametrize("place", ["repair.decided", "repair.written"])
def test_who_dies_in_it_is_finished_by_the_next(broken: World, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    scythe = Scythe(monkeypatch, repairer)
    with mending(broken) as one:
        scythe.run(lambda: one.mend() and None, 1, place)
    assert scythe.killed.total() == 1
    with mending(broken) as other:
        other.mend()

        assert (other.found(), total(broken)) == ([], 299)


def both(world: World) -> None:
    """Two runs that both find everything before either has decided anything."""

    def run(found: list[Any], mender: Mender) -> None:
        mender.repairer.mend(found)

    with mending(world) as one, mending(world) as other, ThreadPoolExecutor(2) as threads:
        found = one.found()
        for done in [threads.submit(run, found, mender) for mender in (one, other)]:
            done.result(60)


def test_two_runs_at_once_count_once(broken: World) -> None:
    both(broken)

    with mending(broken) as one:
        assert (one.found(), total(broken)) == ([], 299)


def blind(patch: pytest.MonkeyPatch, found: list[Any]) -> None:
    """Have runs not see what others have decided, nor what has become of rows."""
    patch.setattr(repair, "open_repairs", lambda *_: [])
    patch.setattr(TableComparison, "of_keys", lambda *_: found)
    patch.setattr(Repairer, "_earlier", lambda *_: {})


def test_runs_that_see_nothing_of_each_other_count_once(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same repair has the same identity."""
    with mending(broken) as one:
        found = one.found()
    with monkeypatch.context() as patch:
        blind(patch, found)
        both_blind(broken, found)

    assert total(broken) == 299


def test_with_identities_by_chance_they_count_twice(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    numbers = iter(range(1_000))
    with mending(broken) as one:
        found = one.found()
    with monkeypatch.context() as patch:
        blind(patch, found)
        patch.setattr(repair_rows, "identity", lambda *_: next(numbers).to_bytes(16, "big"))
        both_blind(broken, found)

    assert total(broken) != 299


@pytest.mark.parametrize("whole", [False, True])
def test_two_runs_that_look_at_a_moving_row_decide_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, *, whole: bool
) -> None:
    """A change between their looks moves what was counted and what is right alike, and what is between them stays.

    The control: of what was counted and what is right by themselves the same hole has two identities, and counts twice.
    """
    world.site.execute("TRUNCATE crucible_watcher.repair")
    contest, other = world.crucible(), world.crucible()
    world.enter(contest, 5)
    world.count("id <> 2")
    with mending(world) as one:
        first = one.found()
        world.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = 2', (other,))
        world.events(
            [("Crucible", contest, 3, "Entry", -1, 2, 60_000, 0), ("Crucible", other, 3, "Entry", 1, 2, 60_000, 1)]
        )
        second = one.found()
    for found in first, second:
        with monkeypatch.context() as patch:
            blind(patch, found)
            if whole:
                seen = repr([(each.expected, each.counted) for each in found]).encode()
                patch.setattr(repair_rows, "identity", lambda *_, seen=seen: xxh3_128_digest(seen))
            with mending(world) as one:
                one.repairer.mend(found)

    assert [each.expected for each in first] != [each.expected for each in second]
    assert total(world) == (6 if whole else 5)


def both_blind(world: World, found: list[Any]) -> None:
    """Two runs of the same differences, one after the other."""
    with mending(world) as one, mending(world) as other:
        one.repairer.mend(found)
        other.repairer.mend(found)


def test_what_comes_after_all_meanwhile_is_left_out(broken: World) -> None:
    """A late change arrives between announcement and insert: the others are mended, and nothing counts twice."""
    arrivals = iter(["id = 7"])

    def arrive(_: float) -> None:
        for condition in arrivals:
            broken.count(condition, lsn=70_000)

    with mending(broken, pause=arrive) as one:
        assert one.mend() == {"missing": 2, "repeated": 1, "left_over": 1}
        assert repair.open_repairs(one.repairer._session, "CrucibleEntry") == []
        (logged,) = repair.log(one.repairer._session, 5)

        assert (one.found(), total(broken), logged.rows) == ([], 299, 4)


def test_a_row_that_changes_all_the_time_is_mended(broken: World) -> None:
    """What is wrong with it stays the same, and is seen whenever no change of it is on its way."""
    ((there,),) = broken.site.execute('SELECT "crucibleId" FROM "CrucibleEntry" WHERE id = 7').fetchall()
    moves = [(there, broken.crucible())]
    looks = count(1)

    def change(_: float) -> None:
        """Move it, and have that counted every other time."""
        (old, new), at = moves[-1], next(looks)
        if at % 2:
            broken.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = 7', (new,))
        else:
            moved = [("Crucible", old, 2, "Entry", -1), ("Crucible", new, 2, "Entry", 1)]
            broken.events([(*what, 7, 80_000 + at, index) for index, what in enumerate(moved)])
            moves.append((new, broken.crucible()))

    with mending(broken, pause=change) as one:
        assert one.mend() == {"missing": 3, "repeated": 1, "left_over": 1}
        if next(looks) % 2 == 0:  # the last move is not counted yet
            looks = count(2)
            change(0)

        assert (one.found(), total(broken)) == ([], 299)


@pytest.mark.parametrize("moment", ["before it is decided", "before it is written"])
def test_a_row_never_counted_that_goes_meanwhile_is_mended(broken: World, moment: str) -> None:
    """It looks right, uncounted as it is gone, until the stream brings its deletion."""
    gone = list[tuple[int, int]]()

    def goes(_: float) -> None:
        deleted = broken.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 7 RETURNING "crucibleId", "userId"')
        gone.extend(deleted.fetchall())

    def stream_goes_on(lsn: int) -> None:
        while gone:
            contest, user = gone.pop()
            counts = ("Crucible", contest, user, "Entry"), ("User", user, user, "crucibleEntryCount")
            broken.events([(*what, -1, 7, lsn, index) for index, what in enumerate(counts)])
        if moment == "before it is decided":
            goes(0)

    def pause(_: float) -> None:
        if moment == "before it is written":
            goes(0)

    with mending(broken, pause=pause) as one:
        one.repairer._await_passed = stream_goes_on
        mended = one.mend()

        assert (mended, one.found(), total(broken)) == ({"missing": 3, "repeated": 1, "left_over": 1}, [], 298)


def test_a_row_that_was_found_while_it_moved_is_mended(broken: World) -> None:
    """What was found was part of a move that the stream had yet to bring; the row is wrong in another way."""
    ((old,),) = broken.site.execute('SELECT "crucibleId" FROM "CrucibleEntry" WHERE id = 7').fetchall()
    new = broken.crucible()
    moves = [("Crucible", old, 2, "Entry", -1), ("Crucible", new, 2, "Entry", 1)]

    def stream_goes_on(lsn: int) -> None:
        if moves:
            broken.events([(*what, 7, lsn, index) for index, what in enumerate(moves)])
            moves.clear()

    with mending(broken) as one:
        one.repairer._await_passed = stream_goes_on
        broken.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = 7', (new,))
        mended = one.mend()

        assert (mended, one.found(), total(broken)) == ({"missing": 3, "repeated": 1, "left_over": 1}, [], 299)


def test_a_stream_that_stands_has_nothing_mended(broken: World) -> None:
    """What it still has to bring would be counted on top."""
    with mending(broken) as one:

        def stands(_: int) -> None:
            raise StreamStandsError("it stands")

        one.repairer._await_passed = stands
        with pytest.raises(StreamStandsError):
            one.mend()

        assert len(one.found()) == 5


def late(world: World, lsn: int, clock: Callable[[], float] = time.monotonic, *, guarded: bool = True) -> None:
    """A watcher gets the change of entry 7 that never came, from a position of the log."""
    plain = PlannedInsert(CHANGES, ClickHouseLink(world.client), queries())
    dsn = world.environ["CRUCIBLE_POSTGRES__DSN"]
    sink = AfterRepairs(plain, partial(open_session, dsn, "crucible_watcher"), clock) if guarded else plain
    contest, user = world.site.execute('SELECT "crucibleId", "userId" FROM "CrucibleEntry" WHERE id = 7').fetchone()  # type: ignore[misc]
    who = lsn.to_bytes(16, "little")
    rows = MetricRows(
        [
            ("Crucible", contest, user, "Entry", 1, 0, "CrucibleEntry", 7, lsn, who, 0),
            ("User", user, user, "crucibleEntryCount", 1, 0, "CrucibleEntry", 7, lsn, who, 1),
        ]
    )
    plan = Plan(topic_id="t", partition=0, start=lsn % 1_000, end=lsn % 1_000 + 1)
    sink.write(plan, rows, lambda: None, sink.present([rows]))
    sink.recover(plan, rows, lambda: None)
    sink.close()


def test_a_change_that_comes_after_all_is_not_counted_on_top(broken: World) -> None:
    """It lies before what was compared; one that lies behind it is news."""
    with mending(broken) as one:
        one.mend()
        (lsn,) = one.passed
        late(broken, lsn - 100)
        assert (one.found(), total(broken)) == ([], 299)
        late(broken, lsn + 100)

        assert [found.key for found in one.found()] == [7]


def test_without_looking_for_repairs_it_is_counted_on_top(broken: World) -> None:
    """The control."""
    with mending(broken) as one:
        one.mend()
        late(broken, one.passed[0] - 100, guarded=False)

        assert total(broken) == 300


def test_the_log_and_the_help(broken: World) -> None:
    """A person sees who mended what, and who found nothing to mend where a comparison was asked for."""
    with mending(broken) as one:
        one.mend()
        reconcile_needed.note(one.repairer._session, "Crucible", "snapshot")
        repair.mended(one.repairer._session, "Crucible", repair.clock(one.repairer._session), "a test")
    done = crucible("reconcile", "--log", environ=broken.environ)

    met, mended = done.stdout.splitlines()[1:3]
    assert (done.returncode, "a test  CrucibleEntry  5" in mended) == (0, True)
    assert "a test  Crucible       0     no comparison needed for snapshot any more" in met


def test_changes_that_are_there_twice_are_put_right_by_their_rows(broken: World) -> None:
    """What came twice and went twice counts for what it should, and is said to."""
    reads = ClickHouseReads(broken.client, queries())
    twice = "INSERT INTO entityMetricEvents SELECT * FROM entityMetricEvents WHERE sourceKey = {}"
    with mending(broken) as one:
        one.mend()
        broken.clickhouse.command(twice.format(30))
        broken.count("id = 31", sign=-1, lsn=80_000)
        broken.count("id = 31", lsn=81_000)
        broken.clickhouse.command(twice.format("31 AND sourceLsn >= 80000"))
        found = events_twice(reads)
        assert [(each.source, each.rows, set(each.keys)) for each in found] == [("CrucibleEntry", 6, {30, 31})]
        assert one.mend() == {"repeated": 1}
        (left,) = events_twice(reads, right={"CrucibleEntry"})

        assert (set(left.keys), left.counted_right, one.found(), total(broken)) == ({31}, True, [], 299)
