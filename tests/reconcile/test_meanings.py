"""Changes of a handler whose meaning has changed count for what it says now, once each and on their own day."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
import pytest

from handlers import REGISTRY
from tests.awaiting import await_that
from tests.reconcile.conftest import World
from tests.scythe import Scythe
from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.letter_rows import LETTERS
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.shadow_rows import ShadowRows
from watcher.model.change import ChangeEvent, Operation, SourceBlock
from watcher.model.effects import MetricDelta
from watcher.model.errors import Reason, RecordError, TemporaryError
from watcher.model.meaning import rows_of_change
from watcher.model.metric_rows import MetricRows
from watcher.model.plan import Plan
from watcher.model.registry import Table, on
from watcher.postgres.own import history, repair, replay
from watcher.postgres.session import Session, open_session
from watcher.reconcile import meanings
from watcher.reconcile.meanings import MeaningReplay, MeaningReport
from watcher.reconcile.repairs import decided_replays
from watcher.reconcile.repairs.after_repairs import AfterRepairs

from handlers.crucible_entry import CrucibleEntryRow  # isort: skip

OLD: Table[Any] = REGISTRY.tables["CrucibleEntry"]
DAY_MS = 86_400_000
FIRST_MS = 1_760_000_000_000
EVENTS = 40


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE)
def count_twofold(event: ChangeEvent[CrucibleEntryRow]) -> Iterator[MetricDelta]:
    """An entry counts twice for its crucible, for nothing for its user, and once for its image."""
    for row, sign in ((event.before, -1), (event.after, +1)):
        if row:
            yield MetricDelta("Crucible", row.crucible_id, row.user_id, "Entry", 2 * sign)
            yield MetricDelta("Image", row.image_id, row.user_id, "Entry", sign)


NEW: Table[Any] = msgspec.structs.replace(OLD, handlers=(count_twofold, *OLD.handlers[1:]))


@on(Operation.CREATE, Operation.UPDATE, Operation.DELETE)
def count_none(_: ChangeEvent[CrucibleEntryRow]) -> Iterator[MetricDelta]:
    """An entry counts for nothing at all."""
    return iter(())


NONE: Table[Any] = msgspec.structs.replace(OLD, handlers=(count_none, *OLD.handlers[1:]))


def row(key: int) -> CrucibleEntryRow:
    return CrucibleEntryRow(id=key, crucible_id=1, user_id=1 + key % 3, image_id=key % 5, created_at=FIRST_MS)


def created(key: int, lsn: int | None = None) -> ChangeEvent[Any]:
    source = SourceBlock("CrucibleEntry", lsn or 1_000 + key, FIRST_MS + key % 4 * DAY_MS)
    return ChangeEvent(Operation.CREATE, source, after=row(key))


def deleted(key: int) -> ChangeEvent[Any]:
    return ChangeEvent(
        Operation.DELETE, SourceBlock("CrucibleEntry", 5_000 + key, FIRST_MS + 3 * DAY_MS), before=row(key)
    )


ALL = [*(created(key) for key in range(1, EVENTS + 1)), *(deleted(key) for key in range(1, 11))]


def count(world: World, events: Sequence[ChangeEvent[Any]], table: Table[Any] = OLD) -> None:
    """Have the change loop count some changes, each once."""
    rows = [one for event in events for one in rows_of_change(table, event) if one[0]]
    dsn = world.environ["CRUCIBLE_POSTGRES__DSN"]
    plain = PlannedInsert(CHANGES, ClickHouseLink(world.client), queries())
    sink = AfterRepairs(plain, partial(open_session, dsn, "crucible_watcher"))
    lowest = min(event.source.lsn for event in events)
    plan = Plan(topic_id=f"t{lowest}", partition=0, start=0, end=len(events))
    packed = MetricRows(rows)
    present = sink.present([packed])
    new = MetricRows(one for one in packed if one[9] not in present)
    if len(new):
        plain.write(plan, new, lambda: None)
    sink.close()


def replaying(world: World, session: Session, table: Table[Any]) -> MeaningReplay:
    link = ClickHouseLink(world.client)
    return MeaningReplay(
        session,
        table,
        shadow=ShadowRows("CrucibleEntry", ClickHouseLink(world.client), queries()),
        insert=PlannedInsert(LETTERS, link, queries()),
        reads=ClickHouseReads(world.client, queries()),
        history=history.check(session),
        made_by="a test",
        pause=lambda _: None,
    )


def replayed(
    world: World, table: Table[Any] = NEW, events: Sequence[Any] = ALL, *, dry_run: bool = False, since_ms: int = 0
) -> MeaningReport:
    """Replay once, and return what it came to."""
    with world.session() as session:
        one = replaying(world, session, table)
        one.gather(events, since_ms)
        return one.compare(lambda *_: None, dry_run=dry_run)


def shown(world: World) -> set[tuple[Any, ...]]:
    """What people read, day by day, but for what adds up to nothing."""
    asked = (
        "SELECT entity_type, entity_id, metric_type, day, sum(total) AS n FROM metric_daily GROUP BY ALL HAVING n != 0"
    )
    return set(world.clickhouse.query(asked).result_rows)


@pytest.fixture
def counted(world: World) -> World:
    """Changes that the change loop has counted, by the handlers of before."""
    world.site.execute("TRUNCATE crucible_watcher.repair, crucible_watcher.replay")
    count(world, ALL)
    return world


@pytest.fixture
def right(counted: World) -> set[tuple[Any, ...]]:
    """What would be shown if the present handlers had counted it all."""
    expected: dict[tuple[Any, ...], int] = {}
    for event in ALL:
        for kind, entity, _, metric, value, at, *_ in rows_of_change(NEW, event):
            day = counted.clickhouse.query(f"SELECT toDate32(toDateTime64({at} / 1000, 3, 'UTC'))").result_rows[0][0]
            key = (kind, entity, metric, day)
            expected[key] = expected.get(key, 0) + value
    return {(*key, total) for key, total in expected.items() if total}


def test_everything_counts_for_what_it_means_now(counted: World, right: set[tuple[Any, ...]]) -> None:
    """On its own day, in the views too; the second time nothing is left, and a dry run writes nothing."""
    before = shown(counted)
    foreseen = replayed(counted, dry_run=True)
    assert (shown(counted), foreseen.written, foreseen.kinds) == (before, 0, {"changed": 50})
    done = replayed(counted)

    assert shown(counted) == right
    assert (done.changes, done.written, done.kinds) == (50, 50, {"changed": 50})
    moved = {one.metric: (one.counted, one.wanted) for one in done.metrics}
    assert moved == {"Crucible/Entry": (30, 60), "Image/Entry": (0, 30), "User/crucibleEntryCount": (30, 0)}
    again = replayed(counted)
    assert (again.kinds, again.written) == ({}, 0)
    assert counted.clickhouse.query("EXISTS TABLE entityMetricEvents_shadow_CrucibleEntry").result_rows == [(0,)]


def test_meanings_go_there_and_back_again(counted: World, right: set[tuple[Any, ...]]) -> None:
    """Also to nothing: the same difference for the second time is one of its own."""
    before = shown(counted)
    for table, expected in ((NEW, right), (OLD, before), (NONE, set()), (NEW, right), (OLD, before)):
        replayed(counted, table)
        assert shown(counted) == expected


def test_changes_that_come_meanwhile_are_neither_lost_nor_doubled(counted: World) -> None:
    """By watchers that know the new meaning; and one that comes again later is one that is there."""
    later = [created(key, lsn=9_000 + key) for key in range(100, 110)]
    never = [created(key) for key in range(200, 205)]
    with counted.session() as session:
        one = replaying(counted, session, NEW)
        one.gather([*ALL, *never, *later[:5]], 0)
        count(counted, later, NEW)
        done = one.compare(lambda *_: None, dry_run=False)
    count(counted, [*ALL, *never, *later], NEW)

    assert done.kinds == {"added": 5, "changed": 50}
    total = "SELECT sum(total) FROM metric_totals WHERE entity_type = 'Crucible'"
    assert counted.clickhouse.query(total).result_rows[0][0] == 2 * (EVENTS - 10 + 10 + 5)


def test_what_a_repair_has_seen_to_is_left_to_a_comparison(counted: World) -> None:
    """It was never counted, and its row was mended: the change would be on top."""
    lost = created(300)
    with counted.session() as session:
        session.run(
            "INSERT INTO {schema}.repair (source_table, history, lsn, keys, kinds, token, made_by, done_at) SELECT "
            "'CrucibleEntry', max(number), 2000, '{300}', '{}', 't', 'a test', now() FROM {schema}.history"
        )
    done = replayed(counted, events=[*ALL, lost])

    assert done.kinds == {"changed": 50, "repaired": 1}
    assert done.written == 50


@pytest.mark.parametrize("place", ["meaning.gathered", "replay.decided", "replay.written"])
def test_who_dies_in_it_is_finished_by_the_next(
    counted: World, right: set[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(meanings, "BATCH_CHANGES", 15)
    scythe = Scythe(monkeypatch, meanings, decided_replays)
    scythe.run(lambda: replayed(counted) and None, 1, place)
    assert scythe.killed.total() == 1
    replayed(counted)

    assert shown(counted) == right


def test_two_at_once_count_once(counted: World, right: set[tuple[Any, ...]]) -> None:
    """Both have compared before either has decided."""
    with counted.session() as session, counted.session() as another:
        one, other = replaying(counted, session, NEW), replaying(counted, another, NEW)
        one.gather(ALL, 0)
        found = one._differing(0, 1)
        assert one._put_right(found) == other._put_right(found) == 50

        assert shown(counted) == right
        assert replay.open_replays(session, "CrucibleEntry") == []


def test_only_since_then_and_what_cannot_be_used_is_told(counted: World) -> None:
    broken = RecordError(Reason.BAD_ROW, "no id", "CrucibleEntry", "c")
    done = replayed(counted, events=[*ALL, broken], since_ms=FIRST_MS + 3 * DAY_MS)
    assert (done.refused, done.changes) == (1, 20)

    with pytest.raises(TemporaryError):
        replayed(counted, events=[TemporaryError("the registry is away")])
    with counted.session() as session:
        assert repair.mark(session) == 0


SITES_ROWS = 25
SLOWLY = f"""  -- a row each tenth of a second
    INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt)
    SELECT 'Crucible', 77, number, 'Vote', 1, now64(3) FROM numbers({SITES_ROWS}) WHERE sleepEachRow(0.1) = 0
    SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1, max_threads = 1
"""  # noqa: S608
ONE_REQUEST = """
    INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt)
    SELECT 'Crucible', 78, 1, 'Vote', 1, now64(3) SETTINGS insert_deduplication_token = 'one request'
"""


def exchange(world: World) -> None:
    """Have the table hold what handlers mean now, by an exchange with a shadow that has all rows, as nobody does."""
    new = [one for event in ALL for one in rows_of_change(NEW, event) if one[0]]
    world.clickhouse.command("CREATE TABLE exchanged AS entityMetricEvents")
    world.clickhouse.command("INSERT INTO exchanged SELECT * FROM entityMetricEvents WHERE source != 'CrucibleEntry'")
    world.clickhouse.insert(
        "exchanged",
        [one[:5] for one in new],
        column_names=["entityType", "entityId", "userId", "metricType", "metricValue"],
    )
    world.clickhouse.command("EXCHANGE TABLES entityMetricEvents AND exchanged")


@pytest.mark.parametrize("exchanged", [False, True])
def test_writers_go_on_meanwhile(counted: World, *, exchanged: bool) -> None:
    """An insert of the site's that is under way, and a request that comes again, count once.

    The control is an exchange of the table with its shadow: rows of the insert that began before end in the old table,
    the request is one that was never seen, and views are those of another table.
    """
    counted.clickhouse.command(ONE_REQUEST)
    asked = "SELECT count() FROM entityMetricEvents WHERE entityId = {entity:Int32}"

    def rows(entity: int) -> int:
        return int(counted.clickhouse.query(asked, parameters={"entity": entity}).result_rows[0][0])

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: counted.client().command(SLOWLY))
        await_that(lambda: rows(77) > 0, "the site's first row")
        (exchange if exchanged else replayed)(counted)
        running = not slow.done()
        slow.result(60)
    counted.clickhouse.command(ONE_REQUEST)
    entries = "SELECT sum({value}) FROM {table} WHERE {metric} = 'Entry'"
    table = counted.clickhouse.query(
        entries.format(value="metricValue", table="entityMetricEvents", metric="metricType")
    ).result_rows
    view = counted.clickhouse.query(
        entries.format(value="total", table="metric_totals", metric="metric_type")
    ).result_rows

    assert running or not exchanged, "the insert was over before the exchange"
    assert (rows(77) == SITES_ROWS, rows(78) == 1, table == view) == ((False,) * 3 if exchanged else (True,) * 3)
