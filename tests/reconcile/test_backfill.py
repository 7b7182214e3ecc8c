"""Rows that are there already are counted once beside the stream, whoever does it, dies in it, or pauses."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import pytest

from handlers import REGISTRY
from handlers.crucible_entry import CrucibleEntryRow, count_entries
from tests.command import crucible
from tests.reconcile.conftest import World
from tests.reconcile.test_meanings import count
from tests.reconcile.test_repair import late, total
from tests.scythe import Scythe
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.model.change import ChangeEvent, Operation, SourceBlock
from watcher.model.effects import Effect
from watcher.model.notification import INCREMENTAL, Notification
from watcher.model.registry import on
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.held_lock import held_lock
from watcher.postgres.own import backfill_run, history, reconcile_needed, repair
from watcher.postgres.session import Session
from watcher.reconcile.backfill import by_connector, counting
from watcher.reconcile.backfill.by_connector import SignalledConnector, bring_once
from watcher.reconcile.backfill.counting import (
    BackfillPausedError,
    OngoingBackfill,
    count_rows,
    finish,
    look_again,
    show_crucibles,
)
from watcher.reconcile.backfill.pages import PageComparison
from watcher.reconcile.repairs import repairer
from watcher.reconcile.repairs.repairer import Repairer
from watcher.reconcile.rows.keys_come import came_from, keys_come
from watcher.recovery.verifier import Comparison
from watcher.runtime.failpoint import BACKFILL_PLACES, CONNECTOR_BACKFILL_PLACES

ENTRIES = REGISTRY.tables["CrucibleEntry"].counted


class Backfilling:
    """A run of its own: connections, and what it counts with."""

    def __init__(
        self,
        world: World,
        session: Session,
        until: int,
        *,
        page: int = 100,
        way: str = "rows",
        pause: Callable[[float], None] | None = None,
    ) -> None:
        self.reads = reads = ClickHouseReads(world.client, queries())
        self.session, self.page = session, page
        self.rows = CountedRows(session, ENTRIES)
        self.chunks = PageComparison(ENTRIES, self.rows, reads)
        self.insert = PlannedInsert(REPAIRS, ClickHouseLink(world.client), queries())
        self.passed = list[int]()
        self.stops = False
        run = backfill_run.begin(session, "CrucibleEntry", way, until, "a test")
        backfill_run.take(session, run, "a test")
        self.backfill = OngoingBackfill(
            session,
            run,
            held=lambda: None,
            stops=lambda: self.stops,
            heard=lambda run, _: self.heard.append(run.done_key or 0),
            sleep=pause or (lambda _: None),
        )
        self.heard = list[int]()
        self.repairer = Repairer(
            session,
            "CrucibleEntry",
            self.chunks,
            insert=self.insert,
            reads=reads,
            await_passed=self.passed.append,
            made_by="a test",
            pause=self.backfill.rest,
        )

    def whole(self) -> None:
        """Count all rows, and end."""
        count_rows(self.backfill, self.rows, self.chunks, self.repairer, self.page)
        self.repairer._await_passed(0)
        since = came_from(self.reads, repair.clock(self.session) - self.backfill.run.began_at)
        look_again(self.backfill, keys_come(self.reads, ENTRIES, since), self.chunks.of_scattered, self.repairer)
        show_crucibles(self.backfill, lambda: [1, 2], lambda _: Comparison.VERIFIED)
        finish(self.session, self.backfill.run, "CrucibleEntry", "a test")

    def wrong(self) -> list[int]:
        """Keys that differ."""
        return [one.key for one in self.chunks.differing(counting.BEFORE_ALL, 1 << 40)]


@contextmanager
def backfilling(world: World, until: int = 300, **given: Any) -> Iterator[Backfilling]:
    """Open a run, or go on with the one that there is."""
    with world.session() as session:
        history.check(session)
        one = Backfilling(world, session, until, **given)
        yield one
        one.insert.close()


@pytest.fixture
def filled(world: World) -> World:
    """A site of 300 entries, of which the stream has counted those that came last."""
    world.site.execute("TRUNCATE crucible_watcher.repair, crucible_watcher.backfill")
    contest = world.crucible()
    world.enter(contest, 300)
    world.count("id > 280")
    return world


def test_rows_of_before_are_counted_and_the_streams_are_not_again(filled: World) -> None:
    """One that moved and one that went before their page came are right too: the stream has counted them back."""
    other = filled.crucible()
    filled.count("id = 5", sign=-1, lsn=7_000)
    filled.site.execute('UPDATE "CrucibleEntry" SET "crucibleId" = %s WHERE id = 5', (other,))
    filled.count("id = 5", lsn=7_000)
    filled.count("id = 150", sign=-1, lsn=7_100)
    filled.count("id = 250", sign=-1, lsn=7_200)
    filled.site.execute('DELETE FROM "CrucibleEntry" WHERE id IN (150, 250)')
    filled.site.execute(
        "INSERT INTO crucible_watcher.reconcile_needed (source_table, reason) VALUES ('CrucibleEntry', 'snapshot')"
    )
    with backfilling(filled) as one:
        one.whole()
        run = one.backfill.run

        assert (one.wrong(), total(filled)) == ([], 298)
        assert (run.looked_at, run.mended, run.still_wrong) == (
            298,
            {"missing": 277, "elsewhere": 1, "left_over": 2},
            0,
        )
        assert backfill_run.open_run(one.session, "CrucibleEntry") is None
        assert "CrucibleEntry" not in [need.source_table for need in reconcile_needed.needs(one.session)]
    per_crucible = (
        "SELECT entity_id, sum(total) AS n FROM metric_totals WHERE metric_type = 'Entry' GROUP BY 1 ORDER BY 1"
    )
    assert sorted(n for _, n in filled.clickhouse.query(per_crucible).result_rows) == [1, 297]


def test_a_row_that_went_as_its_page_was_compared_is_right(filled: World) -> None:
    """It was never counted, and its deletion came afterwards; nothing else of its page was wrong."""
    filled.count("id BETWEEN 100 AND 280 AND id <> 150")
    ((contest, user),) = filled.site.execute('SELECT "crucibleId", "userId" FROM "CrucibleEntry" WHERE id = 150')
    gone = [("Crucible", contest, user, "Entry"), ("User", user, user, "crucibleEntryCount")]
    filled.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 150')

    def stream_goes_on(lsn: int) -> None:
        if lsn == 0:  # all pages are done
            filled.events([(*what, -1, 150, 90_000, index) for index, what in enumerate(gone)])

    with backfilling(filled) as one:
        one.repairer._await_passed = stream_goes_on
        one.whole()

        assert (one.wrong(), total(filled)) == ([], 299)
        assert one.backfill.run.mended == {"missing": 99, "left_over": 1}


def test_who_dies_in_it_is_gone_on_for(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every place, one after the other: each next run goes on where the last one died."""
    scythe = Scythe(monkeypatch, repairer, counting)
    places = ("repair.decided", "repair.written", *BACKFILL_PLACES[1:])
    keys = list[int | None]()
    for place in places:
        with backfilling(filled, page=60) as one:
            keys.append(one.backfill.run.done_key)
            scythe.run(one.whole, 1, place)
    assert set(scythe.killed) == set(places)
    with backfilling(filled) as one:
        one.whole()

        assert (one.wrong(), total(filled)) == ([], 300)
    assert keys[:2] == [None, None]
    assert keys[-1] == 300


class Debezium:
    """A connector that reads its signal table, and says of each table that it was asked for that all rows are sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.asked, self.said = list[str](), list[Notification]()

    @contextmanager
    def words(self) -> Iterator[Callable[[], list[Notification]]]:
        """Yield what reads all that it has said."""
        read = 0

        def more() -> list[Notification]:
            nonlocal read
            self.look()
            some, read = self.said[read:], len(self.said)
            return some

        yield more

    def look(self) -> None:
        """Have it hear what it was asked for since."""
        asked = "SELECT id FROM crucible_debezium.signal WHERE type = 'execute-snapshot' AND NOT id = ANY(%s)"
        for (name,) in self._world.site.execute(asked, (self.asked,)).fetchall():
            self.asked.append(name)
            over = {"scanned_collection": "public.CrucibleEntry", "status": "SUCCEEDED", "total_rows_scanned": "300"}
            self.said += [
                Notification(name, "STARTED", INCREMENTAL, {}),
                Notification(name, "TABLE_SCAN_COMPLETED", INCREMENTAL, over),
            ]


def test_who_dies_among_rows_of_the_connector_is_gone_on_for(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked once, however often they die; what it said while nobody was there is heard, and rows count once."""
    scythe = Scythe(monkeypatch, by_connector, counting, repairer)
    filled.site.execute("TRUNCATE crucible_debezium.signal")
    connector, steps = Debezium(filled), list[str]()

    def run() -> None:
        with backfilling(filled, way="connector") as one:
            bring_once(
                one.backfill,
                one.session,
                SignalledConnector(one.session, one.backfill.run, "public.CrucibleEntry"),
                connector.words,
                REGISTRY.tables["CrucibleEntry"],
                await_read=lambda: steps.append("written"),
                look=lambda: "",
                told=print,
            )
            steps.append(f"sent {one.backfill.run.sent}")
            count_rows(one.backfill, one.rows, one.chunks, one.repairer, one.page)
            finish(one.session, one.backfill.run, "CrucibleEntry", "a test")
            assert (one.wrong(), total(filled)) == ([], 300)

    places = (*CONNECTOR_BACKFILL_PLACES, "backfill.mended", "backfill.noted")
    for place in places:
        scythe.run(run, 1, place)
        connector.look()
    run()

    assert set(scythe.killed) == set(places)
    assert steps == ["written", *["sent 300"] * 3]
    with filled.session() as session:
        (told,) = backfill_run.runs(session, 9)
    assert (told.state, told.sent, connector.asked) == ("done", 300, [told_signal(told)])
    resumed = "SELECT count(*) FROM crucible_debezium.signal WHERE type = 'resume-snapshot'"
    assert filled.site.execute(resumed).fetchall() == [(3,)], "each process until all is noted lets go on what waits"


def told_signal(run: backfill_run.BackfillStatus) -> str:
    """What a run asks the connector under."""
    return f"crucible-backfill-{run.id}-{round(run.began_at.timestamp())}"


@pytest.mark.parametrize("counted", [False, True])
def test_a_row_that_the_connector_reads_counts_nothing(filled: World, *, counted: bool) -> None:
    """20 rows were counted when they came, and are read by two snapshots after that.

    The control: a handler that counts them as well shows them three times, for a row that is read has the identity of
    the reading, not that of the change that made it.
    """
    table = REGISTRY.tables["CrucibleEntry"]
    if counted:
        table = msgspec.structs.replace(table, handlers=(count_what_is_read, *table.handlers[1:]))
    rows = filled.site.execute('SELECT id, "crucibleId", "userId", "imageId" FROM "CrucibleEntry" WHERE id > 280')
    entries = [CrucibleEntryRow(*row, created_at=1_760_000_000_000) for row in rows.fetchall()]
    for lsn in 90_000, 91_000:
        reads = [
            ChangeEvent(Operation.READ, SourceBlock("CrucibleEntry", lsn, 1_760_000_000_000), after=row)
            for row in entries
        ]
        count(filled, reads, table)

    assert total(filled) == (60 if counted else 20)


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.READ)
def count_what_is_read(event: ChangeEvent[CrucibleEntryRow]) -> Iterator[Effect]:
    """Counts what a snapshot reads, as no handler may."""
    yield from count_entries(event)


def test_two_at_once_count_once(filled: World) -> None:
    """Where the lock is lost they meet: in the middle of each page of the one the other does it whole."""
    with backfilling(filled) as one:

        def meanwhile(_: float) -> None:
            if not others:
                others.append(1)
                with backfilling(filled) as other:
                    other.whole()

        others = list[int]()
        one.backfill._sleep = meanwhile
        with pytest.raises(BackfillPausedError, match="another process has ended it"):
            one.whole()

        assert (one.wrong(), total(filled), others) == ([], 300, [1])


def test_one_process_at_a_time_has_a_table(filled: World) -> None:
    """The other one is told who, and who is killed lets go at once."""
    with filled.session() as session:
        name = "crucible backfill crucible_watcher CrucibleEntry"
        with backfilling(filled), held_lock(session, name, "") as held:
            assert held is not None
            done = crucible("backfill", "--table", "CrucibleEntry", environ=filled.environ)
            asked = crucible("backfill", "--table", "CrucibleEntry", "--pause", environ=filled.environ)
        alone = crucible("backfill", "--table", "CrucibleEntry", "--pause", environ=filled.environ)

    assert (done.returncode, "being backfilled by a test" in done.stderr) == (75, True)
    assert (asked.returncode, alone.returncode) == (0, 1)
    shown = crucible("backfill", "--status", environ=filled.environ)
    assert "CrucibleEntry  running  a test" in shown.stdout
    both = crucible("backfill", "--table", "CrucibleEntry", "--pause", "--anew", environ=filled.environ)
    assert (both.returncode, "exclude each other" in both.stderr) == (2, True)
    none = crucible("backfill", "--table", "beat", environ=filled.environ)
    assert (none.returncode, "CrucibleEntry, entry_verdict" in none.stderr.replace("\n", " ")) == (2, True)


def test_it_pauses_and_goes_on_there(filled: World) -> None:
    """Asked by somebody else, or by a signal; what is done stays done."""
    with backfilling(filled) as one:
        assert backfill_run.ask_pause(one.session, "CrucibleEntry")
        with pytest.raises(BackfillPausedError):
            one.whole()
        assert (one.heard, backfill_run.runs(one.session, 1)[0].state) == ([100], "paused")
    with backfilling(filled) as one:
        one.backfill._heard = lambda *_: setattr(one, "stops", True)
        with pytest.raises(BackfillPausedError):
            one.whole()
    with backfilling(filled) as one:
        assert one.backfill.run.done_key == 200
        one.whole()

        assert (one.wrong(), total(filled), one.heard) == ([], 300, [300, 300, 300])


def test_a_change_that_comes_after_all_is_not_counted_on_top(filled: World) -> None:
    with backfilling(filled) as one:
        one.whole()
        late(filled, one.passed[0] - 100)

        assert (one.wrong(), total(filled)) == ([], 300)


def test_what_an_open_transaction_has_written_is_waited_for(filled: World) -> None:
    """It lies before the position until which changes are seen to, and would be taken for one of those."""
    with psycopg.connect(str(filled.stack.endpoints.postgres_dsn)) as other:
        other.execute('DELETE FROM "CrucibleEntry" WHERE id = 50')
        waited = list[float]()

        def commit(seconds: float) -> None:
            waited.append(seconds)
            other.commit()

        with backfilling(filled, pause=commit) as one:
            count_rows(one.backfill, one.rows, one.chunks, one.repairer, 100)
            covered = one.session.read("SELECT count(*) FROM {schema}.repair WHERE 50 = ANY(keys)")

    assert waited[0] == repairer.LOOK_SECONDS
    assert covered == [(0,)]


def test_a_table_that_was_emptied_is_done_in_pieces(filled: World) -> None:
    """It has no rows, and all its counts in the place of one page."""
    filled.count("id <= 280")
    filled.site.execute('TRUNCATE "CrucibleEntry"')
    with backfilling(filled, page=20) as one:
        one.whole()

        assert (one.wrong(), total(filled)) == ([], 0)
        assert len(one.heard) > 6


@pytest.mark.soak("takes half a minute")
def test_a_hundred_thousand_rows(filled: World) -> None:
    """Memory is that of a page."""
    contest = filled.crucible()
    filled.enter(contest, 100_000, first=1_000)
    filled.count("id BETWEEN 50000 AND 50999")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with backfilling(filled, 100_999, page=counting.PAGE_ROWS) as one:
        one.whole()

        assert (one.wrong(), total(filled), one.backfill.run.looked_at) == ([], 100_300, 100_300)
        assert len(one.passed) == 4, "once a page, and once behind the last"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
