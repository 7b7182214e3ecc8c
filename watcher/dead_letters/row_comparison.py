"""Compares the rows of dead letters that cannot be used with what was counted of them, and repairs both stores.

What a letter would have said is in PostgreSQL's row by now, or the row is gone. So once the stream is past, the row and
what was counted of it are to agree; what does not is repaired as `crucible reconcile --fix` does it. Redis' crucibles
that these rows count for are compared as well.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from watcher.model.counts import CountedTable, Total
from watcher.postgres.counted_rows import CountedRows
from watcher.postgres.own import repair
from watcher.reconcile.rows.differences import Difference
from watcher.reconcile.stores import Stores

MAX_ROUNDS: Final = 3
"""Times that what differs is repaired. Fewer: a row that moves meanwhile is left to the next run."""
CRUCIBLE: Final = "Crucible"
"""Entity type, and table, of what Redis shows."""


class RowComparison:
    """Compares rows of a table, puts them right, and has their crucibles compared in Redis.

    Args:
        stores: PostgreSQL and ClickHouse, and the way between them.
        made_by: who repairs, for the log.
        compare_crucibles: has these compared in Redis, row by row.
    """

    def __init__(self, stores: Stores, made_by: str, compare_crucibles: Callable[[Iterable[int]], None]) -> None:
        self._stores, self._made_by, self._compare_crucibles = stores, made_by, compare_crucibles

    def settled(self, table: CountedTable, keys: Collection[int]) -> set[int]:
        """Return those rows whose counts are right, once the others were repaired.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            StreamStandsError: the stream does not go on.
            TemporaryError: a neighbour is away; what was decided is carried out by the next run.
        """
        asked = sorted(keys)
        self._await_come()
        comparison = self._stores.comparison(table)
        repairer = self._stores.repairer(table, comparison, self._made_by)
        repairer.finish_open()
        touched, found = set[Total](), comparison.of_keys(asked)
        for _ in range(MAX_ROUNDS):
            touched |= _totals(found)
            if found:
                repairer.mend(found)
            self._await_come()  # what looks right may do so by what is on its way
            found = comparison.of_keys(asked)
            if not found:
                break
        self._compare_crucibles(sorted(self._crucibles(table, asked, touched)))
        return set(asked) - {one.key for one in found}

    def _await_come(self) -> None:
        lsn, _ = repair.position(self._stores.session)
        self._stores.await_passed(lsn)

    def _crucibles(self, table: CountedTable, keys: Sequence[int], touched: Iterable[Total]) -> set[int]:
        """Return the crucibles that these rows are in by now, or were counted in."""
        if table.name == CRUCIBLE:
            return set(keys)
        metrics = {
            table.number(one.entity_type, one.metric_type) for one in table.counts if one.entity_type == CRUCIBLE
        }
        rows = CountedRows(self._stores.session, table).of_keys(keys)
        now = {entity for _, metric, entity, *_ in rows if metric in metrics}
        return now | {entity for entity_type, entity, *_ in touched if entity_type == CRUCIBLE}


def _totals(found: Iterable[Difference]) -> set[Total]:
    return {total for one in found for total in (*one.counted, *one.expected)}
