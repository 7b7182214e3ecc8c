"""Comparisons of a table as tests run them: in small ranges, and without waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.reconcile.conftest import World
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable
from watcher.postgres.counted_rows import CountedRows
from watcher.reconcile.rows.choice import Choice
from watcher.reconcile.rows.table import TableComparison

from handlers import REGISTRY  # isort: skip

ENTRIES = REGISTRY.tables["CrucibleEntry"].counted


@contextmanager
def comparing(
    world: World,
    table: CountedTable = ENTRIES,
    range_keys: int = 100,
    looks: Any = None,
    reader: CountedTable | None = None,
) -> Iterator[TableComparison]:
    """Compare, and look again without waiting."""
    with world.session() as session:
        reads = ClickHouseReads(world.client, queries())
        rows, replica = CountedRows(session, table), CountedRows(session, reader) if reader else None
        yield TableComparison(table, rows, reads, looks or (lambda _: None), range_keys, reader=replica)


def compared(
    world: World,
    table: CountedTable = ENTRIES,
    range_keys: int = 100,
    looks: Any = None,
    choice: Choice | None = None,
) -> dict[int, Any]:
    """Return what differs, by key."""
    with comparing(world, table, range_keys, looks) as comparison:
        ranges = comparison.differing(lambda *_: None, choice=choice)
        return {one.key: one for _, found in ranges for one in found}
