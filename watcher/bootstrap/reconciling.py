"""The comparison of the stores with each other, put together for the command line."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from getpass import getuser
from socket import gethostname

from config import Settings
from handlers import REGISTRY
from watcher.bootstrap.clients import connect_clickhouse, site_session
from watcher.bootstrap.kafka_client import kafka_client
from watcher.bootstrap.reconciling_crucibles import CrucibleComparer
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.kafka.admin import KafkaAdmin
from watcher.model.counts import CountedTable
from watcher.model.metric_rows import MetricRows
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.own import repair
from watcher.postgres.session import Session
from watcher.reconcile.events import differing_views, events_twice
from watcher.reconcile.noted import note
from watcher.reconcile.repairing import BATCH_KEYS, Repairer
from watcher.reconcile.report import EXAMPLES, Report, TableReport, TableSummary
from watcher.reconcile.stream import Stream
from watcher.reconcile.table import TableComparison

Heard = Callable[[str, int, int], None]
"""Told of a table, how many of its ranges are compared, and of how many."""


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
    with site_session(settings) as session, CrucibleComparer(settings, session, made_by()) as crucibles:
        insert = PlannedInsert(REPAIRS, ClickHouseLink(connect), queries())
        try:
            way = _Way(settings, session, slot, told)
            yield Comparer(session, ClickHouseReads(connect, queries()), insert, way, crucibles)
        finally:
            insert.close()


def made_by() -> str:
    """Return who mends, for the log."""
    return f"{getuser()}@{gethostname()}"


class _Way:
    """The stream's way, asked only by those who mend: who looks needs no Kafka."""

    def __init__(self, settings: Settings, session: Session, slot: str, told: Callable[[str], None]) -> None:
        self._settings, self._session, self._slot, self._told = settings, session, slot, told

    def await_passed(self, lsn: int) -> None:
        """Return when the stream is past a position."""
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
        crucibles: compares votes, and Redis.
    """

    def __init__(
        self,
        session: Session,
        reads: ClickHouseReads,
        insert: PlannedInsert[MetricRows, bytes],
        way: _Way,
        crucibles: CrucibleComparer,
    ) -> None:
        self._session, self._reads, self._insert, self._way = session, reads, insert, way
        self._crucibles = crucibles

    def everything(self, tables: Iterable[CountedTable], heard: Heard, *, fix: bool, crucibles: bool = False) -> Report:
        """Compare some tables, and all metric events with themselves.

        Args:
            tables: which.
            heard: told how far it is.
            fix: whether to put right what can be derived.
            crucibles: whether to compare votes and Redis too.

        Raises:
            PostgresRefusedError: a table, or the right to read it, is missing.
            StreamStandsError: something is to be mended, and the stream does not go on.
            TemporaryError: a neighbour is away.
        """
        began = datetime.now(UTC)
        report = Report(
            tuple(self._mended(one, heard) if fix else self._compared(one, heard) for one in tables),
            tuple(events_twice(self._reads)),
            votes=self._crucibles.votes(fix=fix) if crucibles else (),
            views=tuple(differing_views(self._reads, EXAMPLES)),
            redis=self._crucibles.redis(heard, fix=fix) if crucibles else (),
        )
        note(self._session, report, made_by(), began)
        return report

    def _comparison(self, table: CountedTable) -> TableComparison:
        return TableComparison(table, CountedRows(self._session, table), self._reads)

    def _compared(self, table: CountedTable, heard: Heard) -> TableReport:
        summary = TableSummary(table.name)
        for _, found in self._comparison(table).differing(partial(heard, table.name)):
            summary.add(found)
        return summary.report()

    def _mended(self, table: CountedTable, heard: Heard) -> TableReport:
        began = datetime.now(UTC)
        summary, comparison = TableSummary(table.name), self._comparison(table)
        repairer = Repairer(
            self._session,
            table.name,
            comparison,
            insert=self._insert,
            reads=self._reads,
            await_passed=self._way.await_passed,
            made_by=made_by(),
        )
        repairer.finish_open()
        for _, found in comparison.differing(partial(heard, table.name)):
            summary.add(found)
            for first in range(0, len(found), BATCH_KEYS):
                summary.add_mended(repairer.mend(found[first : first + BATCH_KEYS]))
        report = summary.report()
        if not report.left:
            repair.mended(self._session, table.name, began)
        return report
