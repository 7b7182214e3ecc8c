"""Keeps changes from being counted on top of a repair, or a replay of letters, that has seen to them already.

A repair makes what was counted of some rows what they count for, up to a position in the log. Should a change of such a
row up to there come after all (a dead letter that is produced again, offsets that are set back, a connector that reads
its log once more), it is in the counts. So it is taken for one that is there. And so is a change that somebody has
decided to count from its dead letter, whether that is written yet or not.

A repair, and a replay, is announced in PostgreSQL before it is written, for longer than the time after which
announcements are looked for here. Nothing is asked while there are no changes, and once a second else; the rows of a
batch are looked at only if one of them lies before the position of such a one.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from watcher.changes.sink import RowSink
from watcher.model.errors import TemporaryError
from watcher.model.metric_columns import SOURCE, SOURCE_ID, SOURCE_KEY, SOURCE_LSN
from watcher.model.metric_rows import MetricRows
from watcher.model.plan import Plan
from watcher.model.plan_outcome import PlanOutcome
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import repair, replay
from watcher.postgres.session import Session

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks for announcements. Longer: repairs wait longer; shorter: more questions to PostgreSQL."""


class AfterRepairs:
    """A sink of rows that passes over what repairs have seen to; see :class:`watcher.changes.sink.RowSink`.

    Args:
        sink: where the others go.
        open_session: connects to PostgreSQL.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        sink: RowSink,
        open_session: Callable[[], AbstractContextManager[Session]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink, self._session, self._clock = sink, KeptSession(open_session), clock
        self._mark, self._looked_at = 0, float("-inf")

    def present(self, batches: Sequence[MetricRows]) -> set[bytes]:
        """Return the identities of changes that are there, and of those that a repair or a replay has seen to."""
        return self._sink.present(batches) | self._seen_to(batches)

    def write(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None], present: set[bytes]) -> PlanOutcome:
        """Write a plan, but for what is present."""
        return self._sink.write(plan, rows, before_send, present)

    def recover(self, plan: Plan, rows: MetricRows, before_send: Callable[[], None]) -> PlanOutcome:
        """Write a plan that somebody may have written, but for what a repair or a replay has seen to."""
        seen_to = self._seen_to([rows])
        if seen_to:
            rows = MetricRows(row for row in rows if row[SOURCE_ID] not in seen_to)
        return self._sink.recover(plan, rows, before_send)

    def close(self) -> None:
        """Close the connections to the neighbour."""
        self._session.drop()
        self._sink.close()

    def _seen_to(self, batches: Sequence[MetricRows]) -> set[bytes]:
        """Return the identities of the changes that a repair or a replay has seen to.

        Raises:
            TemporaryError: PostgreSQL is away, and some lie before what is known of.
        """
        lowest = min((min(rows.lsns) for rows in batches if len(rows)), default=None)
        if lowest is None:
            return set()
        self._look_for_announcements()
        if lowest > self._mark:
            return set()
        by_table: dict[str, dict[int, list[tuple[int, bytes]]]] = defaultdict(lambda: defaultdict(list))
        for rows in batches:
            for row in rows:
                if row[SOURCE_LSN] <= self._mark:
                    by_table[row[SOURCE]][row[SOURCE_KEY]].append((row[SOURCE_LSN], row[SOURCE_ID]))
        found = set[bytes]()
        with self._session.kept() as session:
            for table, keys in by_table.items():
                for key, upto in repair.covering(session, table, keys, lowest).items():
                    found.update(who for lsn, who in keys[key] if lsn <= upto)
                changes = {who for some in keys.values() for _, who in some}
                found |= replay.decided(session, changes, lowest)
        return found

    def _look_for_announcements(self) -> None:
        now = self._clock()
        if now - self._looked_at < LOOK_SECONDS:
            return
        try:
            with self._session.kept() as session:
                self._mark = max(repair.mark(session), replay.mark(session))
        except TemporaryError:
            pass  # nobody announces anything there meanwhile, and changes need not wait for it
        self._looked_at = now
