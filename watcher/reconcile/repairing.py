"""Puts right what was counted of rows: decided in PostgreSQL first, then written to ClickHouse as one plan.

What is wrong stays wrong only once nothing of it can be on its way. So the stream is waited for, and what still differs
then is decided under a lock; announced, so that late changes of these rows are not counted on top; looked at once more,
and written under identities that say what was wrong. Whoever dies in between leaves a decision that the next run
carries out; two runs at once decide the same or see each other's.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.metric_row import unpacked
from watcher.model.metric_rows import MetricRows
from watcher.model.repair import RepairPlan, repairing_rows, token_of
from watcher.postgres.own import repair
from watcher.postgres.session import Session
from watcher.reconcile.after_repairs import LOOK_SECONDS
from watcher.reconcile.differences import Difference
from watcher.reconcile.table import TableComparison
from watcher.runtime.failpoint import reach

BATCH_KEYS: Final = 10_000
"""Rows that are mended together. More: fewer waits for the stream; one insert has to hold them."""
ANNOUNCED_SECONDS: Final = 2.5 * LOOK_SECONDS
"""Between an announcement and what it announces: every watcher has seen it by then."""


class Repairer:
    """Mends one table.

    Args:
        session: PostgreSQL, as the watcher's role.
        table: name of the source table.
        comparison: finds what differs.
        insert: writes to ClickHouse.
        reads: asks it.
        await_passed: returns when the stream is past a position of the log.
        made_by: who mends, for the log.
        pause: waits for some seconds.
    """

    def __init__(
        self,
        session: Session,
        table: str,
        comparison: TableComparison,
        *,
        insert: PlannedInsert[MetricRows, bytes],
        reads: ClickHouseReads,
        await_passed: Callable[[int], None],
        made_by: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session, self._table, self._comparison = session, table, comparison
        self._insert, self._reads, self._await_passed = insert, reads, await_passed
        self._made_by, self._pause = made_by, pause

    def finish_open(self) -> int:
        """Carry out what earlier runs have decided and perhaps not written; return how many rows that were.

        Raises:
            TemporaryError: a neighbour is away; call again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        rows = 0
        for plan in repair.open_repairs(self._session, self._table):
            self._insert.recover(plan, MetricRows(unpacked(plan.planned)))
            repair.done(self._session, plan.id)
            rows += len(plan.keys)
        return rows

    def mend(self, found: Sequence[Difference]) -> Mapping[str, int]:
        """Put right those differences that are none of a change on its way; return how many, by kind.

        Raises:
            StreamStandsError: the stream does not go on.
            TemporaryError: a neighbour is away. What was decided is carried out by the next run.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        keys = [one.key for one in found]
        lsn, history = repair.position(self._session)  # the rows were read before
        self._await_passed(lsn)
        earlier = self._earlier(keys)  # before the look: what is written after it has these numbers too
        real = [one for one in self._comparison.of_keys(keys) if one in found]
        if not real:
            return {}
        plan = self._decided(real, earlier, lsn, history)
        if plan is None:
            self.finish_open()
            return {}
        reach("repair.decided")
        self._pause(ANNOUNCED_SECONDS)
        if self._comparison.of_keys(plan.keys) != real:
            repair.withdraw(self._session, plan.id)  # a later look finds what is left of it
            return {}
        self._insert.write(plan, MetricRows(unpacked(plan.planned)))
        reach("repair.written")
        repair.done(self._session, plan.id)
        return plan.kinds

    def _earlier(self, keys: Sequence[int]) -> dict[int, int]:
        rows = self._reads("repairs_of_keys", {"source": self._table, "keys": list(keys)})
        return {int(key): int(count) for key, count in rows}

    def _decided(
        self, real: Sequence[Difference], earlier: Mapping[int, int], lsn: int, history: int
    ) -> RepairPlan | None:
        """Return the repair, once PostgreSQL has it; None where another run's is under way."""
        now_ms = time.time_ns() // 1_000_000
        rows = [
            row
            for one in real
            for row in repairing_rows(
                self._table,
                one.key,
                one.counted,
                one.expected,
                earlier=earlier.get(one.key, 0),
                lsn=lsn,
                now_ms=now_ms,
            )
        ]
        plan = RepairPlan(
            id=0,
            table=self._table,
            history=history,
            lsn=lsn,
            keys=tuple(one.key for one in real),
            kinds=Counter(one.kind.value for one in real),
            token=token_of(rows),
            planned=bytes(MetricRows(rows).packed),
        )
        with self._session.together():
            repair.alone(self._session, self._table)
            if repair.open_repairs(self._session, self._table):
                return None
            return repair.plan(self._session, msgspec.structs.replace(plan, kinds=dict(plan.kinds)), self._made_by)
