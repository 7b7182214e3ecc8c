"""Puts right what was counted of rows: decided in PostgreSQL first, then written to ClickHouse as one plan.

What is wrong stays wrong only once nothing of it can be on its way. So the stream is waited for, and what still differs
then is decided under a lock; announced, so that late changes of these rows are not counted on top; looked at once more,
and written under identities that say what was wrong. A row may change all the while: what is wrong with it stays the
same, and is seen whenever no change of it is on its way. Whoever dies in between leaves a decision that the next run
carries out; two runs at once decide the same or see each other's.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from watcher.clickhouse.planned_insert import PlannedInsert, ViewsDisagreeError
from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.metric_columns import SOURCE_ID
from watcher.model.metric_row import unpacked
from watcher.model.metric_rows import MetricRows
from watcher.model.repair import RepairPlan, repairing_rows, token_of
from watcher.postgres.own import repair, replay
from watcher.postgres.session import Session
from watcher.reconcile.repairs.after_repairs import LOOK_SECONDS
from watcher.reconcile.repairs.confirmed import Confirmed, confirmed
from watcher.reconcile.repairs.stream import StreamStandsError
from watcher.reconcile.rows.differences import Difference
from watcher.runtime.failpoint import reach

BATCH_KEYS: Final = 10_000
"""Rows that are mended together. More: fewer waits for the stream; one insert has to hold them."""
ANNOUNCED_SECONDS: Final = 2.5 * LOOK_SECONDS
"""Seconds between an announcement and what it announces: every watcher has seen it by then."""


MAX_ROUNDS: Final = 3
"""How often it is decided anew without the rows that had changed when it was to be written."""
MAX_LOOKS: Final = 120
"""Looks for transactions that were open, a second between two. Fewer: a long one of the site has nothing mended."""


class Mended(msgspec.Struct, frozen=True):
    """What has become of differences that were to be put right; those in neither had gone by themselves."""

    rows: Mapping[int, str]
    """Key -> kind of difference, as it was found, of rows that were put right."""
    left: Mapping[int, str]
    """The same of rows that may still be wrong: they have changed all the time."""

    @property
    def kinds(self) -> dict[str, int]:
        """Return how many rows were put right, by kind."""
        return dict(Counter(self.rows.values()))


class KeyComparison(Protocol):
    """Tells what differs of some rows by now."""

    def of_keys(self, keys: Sequence[int]) -> list[Difference]:
        """Return what differs of the rows with these keys, by key.

        Raises:
            TemporaryError: a neighbour is away.
        """
        ...


class Repairer:
    """Puts right what was counted of one table's rows.

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
        comparison: KeyComparison,
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
        """Carry out what other runs have decided and perhaps not written; return how many rows that were.

        What is no longer wrong in the way that was decided about, and was not written, is forgotten.

        Raises:
            TemporaryError: a neighbour is away; call again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        rows, plans = 0, repair.open_repairs(self._session, self._table)
        if plans:
            self._pause(ANNOUNCED_SECONDS)  # whoever decided it may have died, or be about to write it
        for plan in plans:
            planned = MetricRows(unpacked(plan.planned))
            if self._is_still_wrong(plan, planned) or self._is_there(planned):
                with suppress(ViewsDisagreeError):  # the rows are there, and the views are looked at after them
                    self._insert.recover(plan, planned)
                repair.done(self._session, plan.id)
                rows += len(plan.keys)
            else:
                repair.withdraw(self._session, plan.id)
        return rows

    def _is_still_wrong(self, plan: RepairPlan, planned: MetricRows) -> bool:
        """Return whether what a repair adds is what its rows lack."""
        adds: Counter[object] = Counter()
        for entity_type, entity, user, metric_type, value, _, _, key, *_ in planned:
            adds[key, (entity_type, entity, user, metric_type)] += value
        lacks = {
            (one.key, total): value for one in self._comparison.of_keys(plan.keys) for total, value in one.wrong.items()
        }
        return dict(adds) == lacks

    def _is_there(self, planned: MetricRows) -> bool:
        return not self._insert.present([planned]).isdisjoint(row[SOURCE_ID] for row in planned)

    def mend(self, found: Sequence[Difference]) -> Mended:
        """Put right those differences that are none of a change on its way; return how many, by kind.

        However many they are, the stream is waited for once, and so are the watchers; once more where rows change.

        Raises:
            StreamStandsError: the stream does not go on.
            TemporaryError: a neighbour is away. What was decided is carried out by the next run.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        lsn, history = repair.position(self._session)  # the rows were read before
        newest = repair.newest_transaction(self._session)
        self._await_passed(lsn)
        self._await_ended(newest)
        self._await_replayed()
        mended, unclear = set[int](), set[int]()
        left: Sequence[Difference] = found
        for _ in range(MAX_ROUNDS):
            left = self._round(left, lsn, history, mended, unclear)
            if not left:
                break
        unclear.update(one.key for one in left)

        def kinds(keys: set[int]) -> dict[int, str]:
            return {one.key: one.kind.value for one in found if one.key in keys}

        return Mended(kinds(mended), kinds(unclear))

    def _round(
        self, found: Sequence[Difference], lsn: int, history: int, mended: set[int], unclear: set[int]
    ) -> Sequence[Difference]:
        """Mend what is still there; return what has to be decided anew, beside rows that had changed or by others."""
        real = list[tuple[RepairPlan, Sequence[Difference]]]()
        for first in range(0, len(found), BATCH_KEYS):
            batch = found[first : first + BATCH_KEYS]
            earlier = self._earlier([one.key for one in batch])  # before the look: what is written later has these too
            looked = self.looked(batch)
            unclear.update(one.key for one in looked.unclear)
            if looked.real:
                real.append((self._planned(looked.real, earlier, lsn, history), looked.real))
        if not real:
            return []
        plans = self._decided([plan for plan, _ in real])
        if not plans:
            self.finish_open()
            return [one for _, wrong in real for one in wrong]
        reach("repair.decided")
        self._pause(ANNOUNCED_SECONDS)
        again = list[Difference]()
        for plan, (_, wrong) in zip(plans, real, strict=True):
            looked = self.looked(wrong)
            if looked.real != wrong:
                repair.withdraw(self._session, plan.id)
                again += looked.real
                unclear.update(one.key for one in looked.unclear)
                continue
            self._insert.write(plan, MetricRows(unpacked(plan.planned)))
            reach("repair.written")
            repair.done(self._session, plan.id)
            mended.update(plan.keys)
        return again

    def _await_ended(self, newest: int) -> None:
        """Wait until every transaction up to one has ended: what it has written before the position shows by then.

        Raises:
            StreamStandsError: one stays open.
        """
        for _ in range(MAX_LOOKS):
            if repair.oldest_transaction(self._session) > newest:
                return
            self._pause(LOOK_SECONDS)
        raise StreamStandsError(
            f"a transaction of PostgreSQL has been open for {MAX_LOOKS * LOOK_SECONDS:g} s, and may have written what "
            "is to be mended: pg_stat_activity shows it by its backend_xid, or pg_prepared_xacts, and run "
            "this again once it has ended"
        )

    def _await_replayed(self) -> None:
        """Wait until no replay of letters has decided to count what is not written.

        Raises:
            StreamStandsError: one stays open, for who decided it was killed.
        """
        for _ in range(MAX_LOOKS):
            if not replay.open_replays(self._session, self._table):
                return
            self._pause(LOOK_SECONDS)
        raise StreamStandsError(
            f"a replay of dead letters has decided to count changes of {self._table}, and has not written them: "
            f"`crucible dlq replay --table {self._table}` does, then run this again"
        )

    def looked(self, found: Sequence[Difference]) -> Confirmed:
        """Return which of some differences are there by now; what was on its way when they were found has come.

        Raises:
            StreamStandsError: the stream does not go on.
            TemporaryError: a neighbour is away.
        """
        return confirmed(found, self._comparison.of_keys, self._pause, self._await_come)

    def _await_come(self) -> None:
        self._await_passed(repair.position(self._session)[0])

    def _earlier(self, keys: Sequence[int]) -> dict[int, int]:
        rows = self._reads("repairs_of_keys", {"source": self._table, "keys": list(keys)})
        return {int(key): int(count) for key, count in rows}

    def _planned(self, real: Sequence[Difference], earlier: Mapping[int, int], lsn: int, history: int) -> RepairPlan:
        now_ms = time.time_ns() // 1_000_000
        rows = [
            row
            for one in real
            for row in repairing_rows(
                self._table, one.key, one.wrong, earlier=earlier.get(one.key, 0), lsn=lsn, now_ms=now_ms
            )
        ]
        return RepairPlan(
            id=0,
            table=self._table,
            history=history,
            lsn=lsn,
            keys=tuple(one.key for one in real),
            kinds=dict(Counter(one.kind.value for one in real)),
            token=token_of(rows),
            planned=bytes(MetricRows(rows).packed),
        )

    def _decided(self, plans: Sequence[RepairPlan]) -> list[RepairPlan]:
        """Return the repairs, once PostgreSQL has them; none where others are under way, or a replay of letters is."""
        with self._session.together():
            repair.alone(self._session, self._table)
            if repair.open_repairs(self._session, self._table) or replay.open_replays(self._session, self._table):
                return []
            return [repair.plan(self._session, plan, self._made_by) for plan in plans]
