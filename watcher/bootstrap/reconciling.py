"""The comparison of the stores with each other, put together for the command line."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from config import Settings
from handlers import REGISTRY
from watcher.bootstrap.clients import connect_clickhouse, site_session
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.session import Session
from watcher.reconcile.events import differing_views, events_twice
from watcher.reconcile.report import EXAMPLES, Report, TableReport, TableSummary
from watcher.reconcile.table import TableComparison

Heard = Callable[[str, int, int], None]
"""Told of a table, how many of its ranges are compared, and of how many."""


def counted_tables(settings: Settings) -> dict[str, CountedTable]:
    """Return the tables whose rows count for something, by name."""
    tables = REGISTRY.with_watcher_schema(settings.postgres.watcher_schema)
    return {table.name: table.counted for table in tables if table.counts}


@contextmanager
def comparing(settings: Settings) -> Iterator["Comparer"]:
    """Connect to PostgreSQL and ClickHouse for the length of a block, and yield what compares them."""
    with site_session(settings) as session:
        yield Comparer(session, ClickHouseReads(partial(connect_clickhouse, settings), queries()))


class Comparer:
    """Compares tables, and metric events with themselves.

    Args:
        session: reads PostgreSQL.
        reads: reads ClickHouse.
    """

    def __init__(self, session: Session, reads: ClickHouseReads) -> None:
        self._session, self._reads = session, reads

    def table(self, table: CountedTable, heard: Heard) -> TableReport:
        """Compare one table.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: a neighbour is away.
        """
        summary = TableSummary(table.name)
        comparison = TableComparison(table, CountedRows(self._session, table), self._reads)
        for _, found in comparison.differing(partial(heard, table.name)):
            summary.add(found)
        return summary.report()

    def everything(self, tables: Iterable[CountedTable], heard: Heard) -> Report:
        """Compare some tables, and all metric events with themselves."""
        return Report(
            tuple(self.table(one, heard) for one in tables),
            tuple(events_twice(self._reads)),
            tuple(differing_views(self._reads, EXAMPLES)),
        )
