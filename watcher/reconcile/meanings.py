"""Compares what changes count for by the present handlers with what was counted of them, and adds what is lacking.

A handler whose meaning has changed counts by it from then on, and what it counted before stays. So the changes that the
topic still holds are taken once more, into a shadow table, and compared there change by change, in parts of their keys.
What differs is added under the time of the change, so that days and hours are right too: decided in PostgreSQL first,
under the lock and the announcement that repairs and letters have, and sent through the views. The table itself is not
exchanged: the site and the watchers write to it meanwhile, and nothing of theirs is touched.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.shadow_rows import ShadowRows
from watcher.decode.decoder import Decoded
from watcher.model.change import ChangeEvent
from watcher.model.errors import RecordError, TemporaryError
from watcher.model.meaning import COUNTING, ChangedMeaning, MeaningKind, MovedTotal, rows_of_change
from watcher.model.metric_row import MetricRow
from watcher.model.metric_rows import MetricRows
from watcher.model.registry import Table
from watcher.model.replay import ReplayPlan, token_of
from watcher.postgres.own import repair, replay
from watcher.postgres.session import Session
from watcher.reconcile.repairs.decided_replays import carry_out
from watcher.runtime.failpoint import reach

PART_CHANGES: Final = 50_000
"""Changes of a part. More: more memory, all of them may differ; fewer: the table is read more often."""
BATCH_CHANGES: Final = 5_000
"""Changes that are decided together. More: one insert has to hold them; fewer: more waits for watchers to see it."""
SHADOW_ROWS: Final = 50_000
"""Rows that are sent to the shadow table at once."""
EXAMPLES: Final = 3


class MovedMetric(msgspec.Struct, frozen=True):
    """A metric whose total is another one."""

    metric: str
    """As ``EntityType/metricType``."""
    counted: int
    """What the changes that differ were counted for."""
    wanted: int
    """What they count for by the present handlers."""


class MeaningReport(msgspec.Struct, frozen=True):
    """What a comparison of meanings found, and what became of it."""

    table: str
    changes: int
    """Changes that were taken from the topic."""
    refused: int
    """Records of it that cannot be used: their dead letters have the reasons."""
    kinds: dict[str, int]
    """How meanings differ -> changes."""
    metrics: tuple[MovedMetric, ...]
    written: int
    """Changes that were put right."""
    examples: tuple[ChangedMeaning, ...]


class MeaningReplay:
    """Compares the changes of one table, as its present handlers count them, with what was counted of them.

    Args:
        session: PostgreSQL, as the watcher's role.
        table: which, with the present handlers.
        shadow: where its rows are gathered.
        insert: writes to the table.
        reads: asks ClickHouse.
        history: number of PostgreSQL's present one.
        made_by: who replays, for the log.
        pause: waits for some seconds.
    """

    def __init__(
        self,
        session: Session,
        table: Table[Any],
        *,
        shadow: ShadowRows,
        insert: PlannedInsert[MetricRows, bytes],
        reads: ClickHouseReads,
        history: int,
        made_by: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session, self._table, self._shadow = session, table, shadow
        self._insert, self._reads, self._history = insert, reads, history
        self._made_by, self._pause = made_by, pause
        self._changes, self._refused, self._written = 0, 0, 0
        self._kinds: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._wanted: Counter[str] = Counter()
        self._examples: list[ChangedMeaning] = []

    def gather(self, records: Iterable[Decoded], since_ms: int) -> None:
        """Bring what changes count for into the shadow table.

        Args:
            records: of the table's topic, up to where the watchers have written everything.
            since_ms: milliseconds since 1970; what was committed before is passed over.

        Raises:
            TemporaryError: a neighbour is away.
        """
        self._shadow.begin()
        rows: list[MetricRow] = []
        for record in records:
            rows += self._rows(record, since_ms)
            if len(rows) >= SHADOW_ROWS:
                self._shadow.add(MetricRows(rows))
                rows = []
        self._shadow.add(MetricRows(rows))
        reach("meaning.gathered")

    def compare(self, heard: Callable[[int, int], None], *, dry_run: bool) -> MeaningReport:
        """Compare what was gathered with what was counted; put right what differs, unless it is a dry run.

        Args:
            heard: told how many parts are done, and of how many.
            dry_run: only tell.

        Raises:
            TemporaryError: a neighbour is away, or a repair of the table is under way. What was decided is carried out
                by the next run.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        if not dry_run:
            carry_out(self._session, self._insert, self._table.name, self._pause)
        ((changes,),) = self._reads("shadow_changes", {}, table=self._shadow.table)
        parts = -(-int(changes) // PART_CHANGES)
        for part in range(parts):
            found = self._differing(part, parts)
            self._tell(found)
            for first in range(0, 0 if dry_run else len(found), BATCH_CHANGES):
                self._written += self._put_right(found[first : first + BATCH_CHANGES])
            heard(part + 1, parts)
        self._shadow.drop()
        return self._report()

    def _rows(self, record: Decoded, since_ms: int) -> Sequence[MetricRow]:
        if isinstance(record, TemporaryError):
            raise record
        if isinstance(record, RecordError):
            self._refused += 1
            return ()
        if not isinstance(record, ChangeEvent) or record.op not in COUNTING:
            return ()
        source = record.source
        if source.table != self._table.name or source.ts_ms < since_ms:
            return ()
        try:
            rows = list(rows_of_change(self._table, record))
        except Exception:  # noqa: BLE001 - a handler that fails costs that record, as in the change loop
            self._refused += 1
            return ()
        self._changes += 1
        return rows

    def _differing(self, part: int, parts: int) -> list[ChangedMeaning]:
        asked = {"source": self._table.name, "part": part, "parts": parts}
        return [
            ChangedMeaning(
                int(key),
                int(lsn),
                int(committed),
                bytes.fromhex(who),
                int(there),
                int(earlier),
                tuple(
                    MovedTotal((kind, int(entity), int(user), metric), int(wanted), int(counted))
                    for kind, entity, user, metric, wanted, counted in sorted(wrong)
                ),
            )
            for key, lsn, committed, who, there, earlier, wrong in self._reads(
                "meanings_compared", asked, table=self._shadow.table
            )
        ]

    def _tell(self, found: Sequence[ChangedMeaning]) -> None:
        repaired = self._repaired(found)
        for one in found:
            kind = MeaningKind.REPAIRED if one.identity in repaired else one.kind
            self._kinds[kind.value] += 1
            if self._kinds[kind.value] <= EXAMPLES:
                self._examples.append(one)
            for moved in one.totals if kind is not MeaningKind.REPAIRED else ():
                metric = f"{moved.total[0]}/{moved.total[3]}"
                self._counted[metric] += moved.counted
                self._wanted[metric] += moved.wanted

    def _repaired(self, found: Iterable[ChangedMeaning]) -> set[bytes]:
        """Return the identities of changes that nobody has counted, and that a repair or a replay has seen to."""
        added = [one for one in found if one.kind is MeaningKind.ADDED]
        if not added:
            return set()
        lowest = min(one.lsn for one in added)
        covered = repair.covering(self._session, self._table.name, {one.key for one in added}, lowest)
        decided = replay.decided(self._session, (one.identity for one in added), lowest)
        return {one.identity for one in added if one.lsn <= covered.get(one.key, -1) or one.identity in decided}

    def _put_right(self, found: Sequence[ChangedMeaning]) -> int:
        """Return how many of some changes were put right."""
        name, keys = self._table.name, {one.key for one in found}
        with self._session.together():
            repair.alone(self._session, name)
            if any(keys.intersection(one.keys) for one in repair.open_repairs(self._session, name)):
                raise TemporaryError(f"a repair of {name} is under way: run this again when it is done")
            repaired = self._repaired(found)
            left = [one for one in found if one.identity not in repaired]
            if left:
                replay.plan(self._session, self._planned(left), self._made_by)
        reach("replay.decided")
        carry_out(self._session, self._insert, name, self._pause)
        return len(left)

    def _planned(self, found: Sequence[ChangedMeaning]) -> ReplayPlan:
        rows = [row for one in found for row in one.rows(self._table.name)]
        return ReplayPlan(
            id=0,
            table=self._table.name,
            history=self._history,
            lsn=max(one.lsn for one in found),
            identities=frozenset(one.identity for one in found if one.kind is MeaningKind.ADDED),
            token=token_of({row[9] for row in rows}),
            planned=bytes(MetricRows(rows).packed),
        )

    def _report(self) -> MeaningReport:
        metrics = sorted(self._counted.keys() | self._wanted.keys())
        return MeaningReport(
            self._table.name,
            self._changes,
            self._refused,
            dict(sorted(self._kinds.items())),
            tuple(MovedMetric(one, self._counted[one], self._wanted[one]) for one in metrics),
            self._written,
            tuple(self._examples),
        )
