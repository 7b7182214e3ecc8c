"""Puts right votes that are there twice or only in Redis, and votes that have no event or too many.

Each repair is decided in PostgreSQL before anything is written, as those of rows are: whoever dies in between leaves a
decision that the next run carries out, and two runs at once decide the same or see each other's.

Events are put right by further ones. Votes cannot be: their table has no sign, and whoever replays it casts each. So
one copy more is brought in, past the views and with a stamp of its own, and those from before are deleted: at any
moment one copy at least is there, and doing it again changes nothing. One that only Redis has is brought in in the same
way. The views are compared afterwards, and those made anew that lack it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import groupby
from typing import Any, Final

import msgspec
from xxhash import xxh3_128_digest

from watcher.clickhouse.link import READ_SETTINGS, ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert, ViewsDisagreeError
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.clickhouse.staging import Staging
from watcher.clickhouse.vote_tables import VOTES as VOTE_TABLE
from watcher.clickhouse.vote_tables import CrucibleRows
from watcher.model.drain_plan import VoteRow, vote_rows
from watcher.model.metric_row import unpacked
from watcher.model.metric_rows import MetricRows, month
from watcher.model.repair import RepairPlan, token_of, vote_event_row
from watcher.postgres.own import repair
from watcher.postgres.session import Session
from watcher.reconcile.difference_reports import DifferenceReports
from watcher.reconcile.votes.comparison import (
    EVENTS,
    VOTES,
    EventGap,
    VoteComparison,
    VoteCopies,
    VoteKind,
    said_of,
)
from watcher.runtime.failpoint import reach

SOURCE: Final = "vote"
"""The source of the events of votes, also in the log of repairs."""
EPOCH_COLUMN: Final = 5
SEQ_COLUMN: Final = 6
"""Where a vote's row has them."""
_STAMPED: Final[CrucibleRows[tuple[int, ...], Any]] = CrucibleRows(
    name=VOTE_TABLE.name,
    columns=(*VOTE_TABLE.columns, "ingested_at"),
    types=(*VOTE_TABLE.types, "DateTime64(3)"),
    identity=lambda row: (row[EPOCH_COLUMN], row[SEQ_COLUMN]),
    crucible=lambda row: row[0],
    time=lambda row: row[4],
    present="vote_copies_of_stamp",
    views={},
)


class _Copies(msgspec.Struct, frozen=True, array_like=True):
    """Votes of one crucible that are to be there once, as the log of repairs keeps them."""

    stamp: int
    """Of the copies that stay; milliseconds since 1970. All others are older."""
    votes: tuple[VoteRow, ...]


class VoteRepairer:
    """Mends the votes of one crucible at a time.

    Args:
        session: PostgreSQL, as the watcher's role.
        comparison: finds what differs.
        link: writes to ClickHouse.
        queries: the named queries.
        alone: keeps rebuilds of a crucible away for the length of a block; yields false where one is at work.
        made_by: who mends, for the log.
    """

    def __init__(
        self,
        session: Session,
        comparison: VoteComparison,
        link: ClickHouseLink,
        queries: Mapping[str, str],
        *,
        alone: Callable[[int], AbstractContextManager[bool]],
        made_by: str,
    ) -> None:
        self._session, self._comparison, self._link, self._queries = session, comparison, link, queries
        self._alone, self._made_by = alone, made_by
        self._events = PlannedInsert(REPAIRS, link, queries)
        self._staging = Staging(_STAMPED, queries)

    def finish_open(self, tables: Sequence[str] = (SOURCE, VOTES)) -> None:
        """Carry out what earlier runs have decided and perhaps not written.

        Args:
            tables: of which.

        Raises:
            TemporaryError: a neighbour is away; call again.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        for table in tables:
            for plan in repair.open_repairs(self._session, table):
                self._carry_out(plan, again=True)

    def mend(self, crucible_id: int, findings: DifferenceReports) -> None:
        """Put right what can be derived of a crucible's votes, and add what was found and mended.

        Raises:
            TemporaryError: a neighbour is away. What was decided is carried out by the next run.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        with self._alone(crucible_id) as ours:
            if ours:  # else a rebuild is at work there, and the next run mends it
                self._mend_copies(crucible_id, findings)
                self._mend_missing(crucible_id, findings)
                self._mend_events(crucible_id, findings)
            self._comparison.look(crucible_id, findings)

    def mend_events(self, crucible_id: int, findings: DifferenceReports) -> None:
        """Put right the events of a crucible's votes, and add what was found and mended: nothing is deleted.

        Votes that are there twice stay, and have one event as every vote.

        Raises:
            TemporaryError: a neighbour is away. What was decided is carried out by the next run.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        self.finish_open([SOURCE])
        with self._alone(crucible_id) as ours:
            if ours:
                self._mend_events(crucible_id, findings)
            self._comparison.look(crucible_id, findings)

    def _mend_copies(self, crucible_id: int, findings: DifferenceReports) -> None:
        done: list[VoteCopies] = []
        while (copies := self._same_copies(crucible_id)) and copies != done:
            rows = sum(one.copies - 1 for one in copies)
            votes = [one.row(crucible_id) for one in copies]
            if self._decide_and_do([self._once_plan(crucible_id, VoteKind.TWICE, rows, votes)]):
                done = copies
                findings.add(VOTES, VoteKind.TWICE, copies[0].said(crucible_id), rows=rows)
                findings.add_mended(VOTES, VoteKind.TWICE, rows)

    def _mend_missing(self, crucible_id: int, findings: DifferenceReports) -> None:
        """Bring in votes that Redis has counted and ClickHouse lacks."""
        kind, done = VoteKind.ONLY_IN_REDIS, False
        while not done:
            done = True
            for some in self._comparison.only_elsewhere(crucible_id):
                rows = vote_rows({crucible_id: some})
                if not self._decide_and_do([self._once_plan(crucible_id, kind, len(rows), rows)]):
                    done = False  # another run's may have been the same votes: what is left is looked for anew
                    break
                findings.add(VOTES, kind, said_of(crucible_id, some[0]), rows=len(rows))
                findings.add_mended(VOTES, kind, len(rows))

    def _same_copies(self, crucible_id: int) -> list[VoteCopies]:
        return [one for one in self._comparison.copies(crucible_id) if one.different == 1]

    def _mend_events(self, crucible_id: int, findings: DifferenceReports) -> None:
        done: list[EventGap] = []
        while (gaps := self._of_votes(crucible_id)) and gaps != done:
            if self._decide_and_do(self._event_plans(crucible_id, gaps)):
                done = gaps
                for gap in gaps:
                    rows = abs(gap.votes - gap.events)
                    findings.add(EVENTS, gap.kind, gap.said(crucible_id), rows=rows)
                    findings.add_mended(EVENTS, gap.kind, rows)

    def _of_votes(self, crucible_id: int) -> list[EventGap]:
        return [one for one in self._comparison.event_gaps(crucible_id) if one.votes]

    def _once_plan(self, crucible_id: int, kind: VoteKind, rows: int, votes: Sequence[VoteRow]) -> RepairPlan:
        """Return the repair after which each of some votes is there once."""
        ((now_ms,),) = self._ask("clickhouse_now", {})
        planned = msgspec.msgpack.encode(_Copies(int(now_ms), tuple(votes)))
        number = xxh3_128_digest(planned).hex()
        return self._plan(VOTES, crucible_id, {kind.value: rows}, f"once/{number}", planned)

    def _event_plans(self, crucible_id: int, gaps: Sequence[EventGap]) -> Iterator[RepairPlan]:
        """Yield a repair for the events of each month: a block of one is there as a whole or not at all."""
        for _, some in groupby(gaps, lambda gap: month(gap.dated_ms)):
            of_month = list(some)
            rows = [
                vote_event_row(
                    crucible_id,
                    gap.judge,
                    gap.seq,
                    gap.dated_ms,
                    counted=gap.events,
                    expected=gap.votes,
                    earlier=gap.repairs,
                )
                for gap in of_month
            ]
            kinds = Counter(gap.kind.value for gap in of_month)
            yield self._plan(SOURCE, crucible_id, kinds, token_of(rows), bytes(MetricRows(rows).packed))

    def _plan(self, table: str, crucible_id: int, kinds: Mapping[str, int], token: str, planned: bytes) -> RepairPlan:
        _, history = repair.position(self._session)
        return RepairPlan(0, table, history, 0, (crucible_id,), dict(kinds), token, planned)

    def _decide_and_do(self, plans: Iterable[RepairPlan]) -> bool:
        """Return whether all of some repairs are done; false where another run's were under way, which now are."""
        for plan in plans:
            with self._session.together():
                repair.alone(self._session, plan.table)
                others = bool(repair.open_repairs(self._session, plan.table))
                decided = plan if others else repair.plan(self._session, plan, self._made_by)
            if others:
                self.finish_open()
                return False
            reach("repair.decided")
            self._carry_out(decided, again=False)
        return True

    def _carry_out(self, plan: RepairPlan, *, again: bool) -> None:
        if plan.table == VOTES:
            self._leave_one_copy(plan)
        else:
            rows = MetricRows(unpacked(plan.planned))
            with suppress(ViewsDisagreeError):  # the rows are there, and the views are looked at after them
                (self._events.recover if again else self._events.write)(plan, rows)
        reach("repair.written")
        repair.done(self._session, plan.id)

    def _leave_one_copy(self, plan: RepairPlan) -> None:
        copies = msgspec.msgpack.decode(plan.planned, type=_Copies)
        (crucible_id,) = plan.keys
        asked = {"crucible": crucible_id, "stamp": copies.stamp}
        there = {(int(epoch), int(seq)) for epoch, seq in self._ask("vote_copies_of_stamp", asked)}
        missing: list[tuple[int, ...]] = [
            (*vote, copies.stamp) for vote in copies.votes if (vote[EPOCH_COLUMN], vote[SEQ_COLUMN]) not in there
        ]
        with self._link.asking() as client:
            if missing:
                self._staging.bring(client, plan.token, missing, lambda: None)
            reach("repair.copied")
            for epoch in sorted({vote[EPOCH_COLUMN] for vote in copies.votes}):
                numbers = [vote[SEQ_COLUMN] for vote in copies.votes if vote[EPOCH_COLUMN] == epoch]
                older = {**asked, "epoch": epoch, "numbers": numbers}
                ((copied,),) = self._ask("vote_copies_before", older)
                if copied:
                    settings = {"mutations_sync": 2}
                    client.command(self._queries["delete_vote_copies"], parameters=older, settings=settings)

    def _ask(self, query: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        with self._link.asking() as client:
            return client.query(self._queries[query], parameters=parameters, settings=READ_SETTINGS).result_rows
