"""The comparison of the stores with each other, put together for the command line."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from getpass import getuser
from socket import gethostname

import msgspec

from config import Settings
from handlers import REGISTRY
from watcher.bootstrap.clients import connect_clickhouse, reader_session, site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.reconciling_crucibles import CrucibleComparer
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.kafka.admin import KafkaAdmin
from watcher.model.beat import BEAT_TABLE
from watcher.model.counts import CountedTable
from watcher.model.errors import TemporaryError
from watcher.model.metric_rows import MetricRows
from watcher.model.table_pause import TablePause
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.own import beat, key_mark, published, repair, table_pause
from watcher.postgres.session import Session
from watcher.postgres.site.contests import present_of
from watcher.reconcile.command.noted import note
from watcher.reconcile.command.report import Report
from watcher.reconcile.command.resumption import Resumption
from watcher.reconcile.command.table_run import TableRun
from watcher.reconcile.others import OF_CRUCIBLES, PLACES
from watcher.reconcile.redis.crucibles import TableListener
from watcher.reconcile.repairs.repairer import Repairer
from watcher.reconcile.repairs.stream import Stream, StreamStandsError
from watcher.reconcile.rows.choice import Choice
from watcher.reconcile.rows.events_twice import events_twice
from watcher.reconcile.rows.keys_come import came_from, keys_come
from watcher.reconcile.rows.second_looks import MAX_LOOKS
from watcher.reconcile.rows.table import TableComparison


def counted_tables(settings: Settings) -> dict[str, CountedTable]:
    """Return the tables whose rows count for something, by name."""
    tables = REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)
    return {table.name: table.counted for table in tables if table.counts}


@contextmanager
def comparing(settings: Settings, slot: str, told: Callable[[str], None]) -> Iterator["Comparer"]:
    """Connect to PostgreSQL and ClickHouse for the length of a block, and yield what compares them.

    Args:
        settings: where they are.
        slot: the connector's.
        told: is told what a repair waits for.
    """
    connect = partial(connect_clickhouse, settings)
    with site_session(settings) as session, CrucibleComparer(settings, session, made_by(), told) as crucibles:
        insert = PlannedInsert(REPAIRS, ClickHouseLink(connect), queries())
        try:
            way = _Way(settings, session, slot, told)
            with reader_session(settings, session) as reader:
                reads = ClickHouseReads(connect, queries())
                group, watched = settings.kafka.group, _watched(settings)
                yield Comparer(session, reads, insert, way, crucibles, reader=reader, group=group, watched=watched)
        finally:
            insert.close()


def _watched(settings: Settings) -> list[str]:
    tables = REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)
    return [table.qualified for table in tables if table.name != BEAT_TABLE]


def made_by() -> str:
    """Return the user and host that mend, for the log."""
    return f"{getuser()}@{gethostname()}"


class Asked(msgspec.Struct, frozen=True):
    """What a run compares, and whether it mends."""

    tables: tuple[CountedTable, ...]
    fix: bool = False
    """Whether to put right what can be derived."""
    crucibles: bool = False
    """Whether to compare votes and Redis too."""
    choice: Choice = Choice()
    """Only these rows."""


class _Way:
    """How far the stream is, asked only by a run that mends: one that looks needs no Kafka."""

    def __init__(self, settings: Settings, session: Session, slot: str, told: Callable[[str], None]) -> None:
        self._settings, self._session, self._slot, self._told = settings, session, slot, told

    def await_passed(self, lsn: int) -> None:
        """Wait until the stream is past a position."""
        self._stream.await_passed(lsn)

    @cached_property
    def _stream(self) -> Stream:
        kafka = self._settings.kafka
        admin = KafkaAdmin(kafka_client(kafka))
        return Stream(self._session, admin, slot=self._slot, group=kafka.group, topics=kafka.topics, told=self._told)


class Comparer:
    """Compares tables, and metric events with themselves; mends what was counted of rows.

    Args:
        session: reads PostgreSQL, and remembers repairs there.
        reads: reads ClickHouse.
        insert: writes repairs.
        way: knows whether the stream is past a position.
        crucibles: compares votes, views and Redis.
        reader: reads whole tables, perhaps of a replica.
        group: the watchers' consumer group.
        watched: the watched tables with their schemas.
    """

    def __init__(
        self,
        session: Session,
        reads: ClickHouseReads,
        insert: PlannedInsert[MetricRows, bytes],
        way: _Way,
        crucibles: CrucibleComparer,
        *,
        reader: Session,
        group: str,
        watched: Sequence[str] = (),
    ) -> None:
        self._reader, self._group, self._watched, self._seen_to = reader, group, watched, 0
        self._session, self._reads, self._insert, self._way = session, reads, insert, way
        self._crucibles = crucibles

    @property
    def postgres(self) -> str:
        """Return which database is compared, without user and password."""
        return self._session.address

    def has_crucible(self, crucible_id: int) -> bool:
        """Return whether PostgreSQL has a crucible.

        Raises:
            PostgresRefusedError: the right to read crucibles is missing.
            TemporaryError: PostgreSQL is away.
        """
        return bool(present_of(self._session, [crucible_id]))

    def waiting(self, asked: Asked) -> dict[str, TablePause]:
        """Return those of the tables whose changes a person has wait: what waits is no difference, and looks like one.

        Raises:
            PostgresRefusedError: the right to read it is missing.
            TemporaryError: PostgreSQL is away.
        """
        names = {table.name for table in asked.tables}
        paused = table_pause.paused(self._session, self._group)
        return {table: pause for table, pause in paused.items() if table in names}

    def begin(self, asked: Asked) -> datetime:
        """Return when a run begins, by PostgreSQL's clock.

        One that mends notes beforehand how high keys go, and what a watcher's next look at the publication would note,
        for it is met by this run; and it writes a beat, which ends a hole there may be before it, so that no later one
        has to.

        Raises:
            PostgresRefusedError: the role may not write to the watcher's schema.
            TemporaryError: PostgreSQL is away.
        """
        if asked.fix:
            published.note_gaps(self._session, self._watched)
            for table in asked.tables:
                key_mark.note(self._session, table.name, CountedRows(self._session, table).highest())
            written = beat.write(self._session, every_seconds=-1.0)
            self._seen_to = written.written if written else 0
        return repair.clock(self._session)

    def everything(self, asked: Asked, heard: TableListener, resumption: Resumption) -> Report:
        """Compare what is asked for, and all metric events with themselves where no rows are chosen.

        Args:
            asked: what to compare, and whether to mend.
            heard: told how far it is.
            resumption: knows how far a run was that was killed, and remembers how far this one is.

        Raises:
            PostgresRefusedError: a table, or the right to read it, is missing.
            StreamStandsError: something is to be mended, and the stream does not go on.
            TemporaryError: a neighbour is away.
        """
        runs = [self._compared(one, asked, heard, resumption) for one in asked.tables]
        unawaited = self._looked_again(runs, asked, resumption) if asked.fix else ""
        tables = tuple(one.report for one in runs)
        only, fix = asked.choice.crucible, asked.fix
        right = {one.table for one in tables if not one.left}
        report = Report(
            tables,
            () if asked.choice else tuple(events_twice(self._reads, right)),
            votes=self._crucibles.votes(resumption, heard, fix=fix, only=only) if asked.crucibles else (),
            # After what adds to them, and before Redis, whose votes are counted by them.
            views=() if asked.choice else self._crucibles.views(resumption, heard, fix=fix),
            redis=self._crucibles.redis(resumption, heard, fix=fix, only=only) if asked.crucibles else (),
            unawaited=unawaited,
        )
        if not asked.choice:
            # Of one that goes on some tables were compared before the beat.
            seen_to = 0 if resumption.goes_on or unawaited else self._seen_to
            others = PLACES if asked.crucibles else [name for name in PLACES if name not in OF_CRUCIBLES]
            note(self._session, report, made_by(), resumption.began, seen_to=seen_to, others=others)
        resumption.end()
        return report

    def _compared(self, table: CountedTable, asked: Asked, heard: TableListener, resumption: Resumption) -> TableRun:
        """Return a table's run, once all of the table is compared."""
        comparison = self._comparison(table, fix=asked.fix)
        repairer = self._repairer(table, comparison) if asked.fix else None
        run = TableRun(comparison, repairer, name=table.name, place=resumption.place(table.name))

        def told(done: int, whole: int) -> None:
            heard(table.name, done, whole)
            if asked.choice.crucible is None:
                resumption.note(table.name, run.place)

        if not run.is_compared:
            run.compare(told, asked.choice)
            resumption.note(table.name, run.place)
        return run

    def _looked_again(self, runs: Sequence[TableRun], asked: Asked, resumption: Resumption) -> str:
        """Look again at what has come in meanwhile, once the stream is past it; return why that was not to be awaited.

        What asked for a comparison of a table is forgotten if the table is right.
        """
        try:
            self._way.await_passed(repair.position(self._session)[0])
        except (StreamStandsError, TemporaryError) as error:
            return str(error)
        since = came_from(self._reads, repair.clock(self._session) - resumption.began)
        for run, table in zip(runs, asked.tables, strict=True):
            run.look_again(keys_come(self._reads, table, since, asked.choice))
            resumption.note(run.name, run.place)
            if not run.report.left and not asked.choice:
                repair.mended(self._session, run.name, resumption.began, made_by())
        return ""

    def _comparison(self, table: CountedTable, *, fix: bool) -> TableComparison:
        reader = None if self._reader is self._session else CountedRows(self._reader, table)
        rows, looks = CountedRows(self._session, table), 1 if fix else MAX_LOOKS  # who mends confirms what is found
        return TableComparison(table, rows, self._reads, reader=reader, looks=looks)

    def _repairer(self, table: CountedTable, comparison: TableComparison) -> Repairer:
        return Repairer(
            self._session,
            table.name,
            comparison,
            insert=self._insert,
            reads=self._reads,
            await_passed=self._way.await_passed,
            made_by=made_by(),
        )
