"""What a comparison of rows with counts asks and writes: the two stores, and the way between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable
from watcher.model.metric_rows import MetricRows
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.session import Session
from watcher.reconcile.others import Other
from watcher.reconcile.repairs.repairer import Repairer
from watcher.reconcile.rows.table import RANGE_KEYS, TableComparison


@dataclass(frozen=True)
class Stores:
    """The connections that one run works with, opened for the length of the run."""

    session: Session
    """PostgreSQL, as the watcher's role."""
    reads: ClickHouseReads
    insert: PlannedInsert[MetricRows, bytes]
    """Writes repairs."""
    await_passed: Callable[[int], None]
    """Returns when the stream is past a position of PostgreSQL's log."""
    pause: Callable[[float], None]
    """Waits for some seconds; raises to end the run."""
    range_keys: int = RANGE_KEYS
    """Keys that are compared as one sum."""
    reader: Session | None = None
    """From where whole ranges are read, a replica; None: ``session``."""
    others: Sequence[Other] = ()
    """What turns compare besides, after the tables."""

    def comparison(self, table: CountedTable) -> TableComparison:
        """Return what compares a table."""
        return TableComparison(
            table,
            CountedRows(self.session, table),
            self.reads,
            self.pause,
            self.range_keys,
            reader=None if self.reader is None else CountedRows(self.reader, table),
        )

    def repairer(self, table: CountedTable, comparison: TableComparison, made_by: str) -> Repairer:
        """Return what puts a table's counts right; ``made_by`` is noted with each repair."""
        return Repairer(
            self.session,
            table.name,
            comparison,
            insert=self.insert,
            reads=self.reads,
            await_passed=self.await_passed,
            made_by=made_by,
            pause=self.pause,
        )
