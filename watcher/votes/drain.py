"""The drain: takes votes from Redis' logs to ClickHouse, each once, whoever else does the same.

There is no leader. A bucket's votes go through one plan at a time, which lies in Redis; whoever finds it may carry it
out, because the same plan is the same rows under the same tokens. One pass over a bucket:

1. read the heads of its logs and name a plan, unless one is open;
2. insert the votes, then the metric events, each table under its token, what is there already left out;
3. ask both tables whether all of it is there, and bring what is not;
4. trim the logs, for good;
5. take the plan away.

Whoever dies in between leaves the plan, and the next one begins it again at step 2. While ClickHouse is away votes wait
in their logs, up to the length at which the vote's script refuses.
"""

import time
from typing import Final, Protocol, TypeVar

import structlog

from watcher.clickhouse.planned_table import PlannedTable
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.drain_plan import DrainPlan, event_rows, make_plan, vote_rows
from watcher.model.errors import SinkDisagreesError, TemporaryError
from watcher.redis.keys import BUCKETS
from watcher.redis.vote_log import VoteLog, Votes
from watcher.runtime.failpoint import reach

log = structlog.get_logger(__name__)
RowT = TypeVar("RowT", bound=tuple[object, ...])

WRITTEN, RECOVERED, HEALED = "written", "recovered", "healed"
"""What a plan came to: named and written by one; perhaps begun by another; with rows that ClickHouse had lost."""

TAKEOVER: Final = 1.0
"""Seconds that somebody else's plan may be open until we carry it out too. Shorter: processes do each other's work;
longer: votes of a process that died wait."""
SETTLE: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between looks for rows that an insert has not shown. Another process' insert of the same plan holds the token
for an instant before its rows show. Fewer or shorter: that instant looks like a loss, and the rows come twice."""
AGAIN: Final = 0.25
"""Seconds after a failed pass over a bucket whose votes somebody waits for."""
DISAGREEMENTS: Final = 5
"""Times that a view may differ from its table for one plan until that is a fault. Fewer: a busy server looks broken."""
WATCHED: Final = 40
"""Passes for which a log that was found empty is looked at again, because a vote may have come while its hint went."""


class DrainObserver(Protocol):
    """Is told what the drain did."""

    def drained(self, votes: int, outcome: str, seconds: float) -> None:
        """A plan is done; ``outcome`` is ``written``, ``recovered`` or ``healed``."""
        ...

    def waiting(self, oldest_ms: int | None) -> None:
        """A round over all buckets is done; when the oldest vote was cast that it left in a log."""
        ...

    def away(self, error: TemporaryError) -> None:
        """A pass failed and will be made again."""
        ...

    def parked(self, bucket: int, error: str) -> None:
        """A bucket's votes wait until somebody looks at ClickHouse; the other buckets' go on."""
        ...


class PlanGoneError(Exception):
    """Somebody else has finished the plan that we were about to write."""


class Drain:
    """Carries out plans; for one thread.

    Args:
        votes: Redis' logs.
        tables: ClickHouse's tables.
        observer: told what was done.
        max_votes: votes of one plan, and hence held in memory.
    """

    def __init__(
        self,
        votes: VoteLog,
        tables: VoteTables,
        observer: DrainObserver,
        max_votes: int,
    ) -> None:
        self._log, self._tables, self._observer = votes, tables, observer
        self.max_votes = max_votes
        self._foreign: dict[int, tuple[DrainPlan, float]] = {}
        self._own: dict[int, DrainPlan] = {}
        self._begin: dict[int, int] = {}
        self._identities: dict[int, str] = {}
        self._disagreed: dict[int, tuple[str, int]] = {}
        self._behind: dict[int, int] = {}
        self._done: dict[int, tuple[int, int, str]] = {}
        self._emptied: dict[int, dict[int, int]] = {}
        self.oldest: dict[int, int] = {}
        """Per bucket, when the oldest vote was cast that the last pass found and did not drain: milliseconds."""

    def quiet(self) -> set[int]:
        """Buckets in which a pass would find nothing, by one question about all: most of the time that is every one.

        Raises:
            TemporaryError: Redis is away.
        """
        found = {bucket for bucket in self._log.quiet() if not self._emptied.get(bucket)}
        for bucket in found:
            self.oldest.pop(bucket, None)
        return found

    def turn(self, bucket: int) -> int:
        """One pass over a bucket.

        Args:
            bucket: which.

        Returns:
            Votes drained; 0 also while somebody else is at it.

        Raises:
            TemporaryError: a neighbour is away; what was begun is finished by a later pass, of anybody.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        plan = self._log.open_plan(bucket)
        named = plan is None
        if plan is None:
            plan = self._name(bucket)
            if plan is None:
                return 0
        elif self._own.get(bucket) != plan and not self._overdue(bucket, plan):
            self.oldest.pop(bucket, None)  # whoever is at it tells
            return 0
        self._foreign.pop(bucket, None)
        begun = time.monotonic()
        try:
            outcome = self._carry_out(bucket, plan, named=named)
        except PlanGoneError:
            self.oldest.pop(bucket, None)
            return 0
        self._note(plan, outcome)
        self._observer.drained(plan.votes, outcome, time.monotonic() - begun)
        return plan.votes

    def drain_crucible(self, crucible_id: int, deadline: float) -> None:
        """Drain until a crucible's log is empty; its votes must be refused meanwhile, or it may never be.

        Raises:
            TemporaryError: a neighbour is away, or it took longer than ``deadline`` seconds.
        """
        until = time.monotonic() + deadline
        bucket = crucible_id % BUCKETS
        self._log.hint([crucible_id])
        failed = 0
        while self._log.lengths([crucible_id])[crucible_id]:
            if time.monotonic() > until:
                raise TemporaryError(f"the votes of crucible {crucible_id} were not drained within {deadline:g} s")
            try:
                drained = self.turn(bucket)
            except TemporaryError:
                failed += 1
                if failed == DISAGREEMENTS:
                    raise
                time.sleep(AGAIN)
                continue
            failed = 0
            if not drained:
                time.sleep(SETTLE[0])

    def _name(self, bucket: int) -> DrainPlan | None:
        begin = self._begin.get(bucket, 0)  # after the one where the last plan ended, so that everyone's turn comes
        crucible_ids = sorted(self._log.hints(bucket), key=lambda one: (one < begin, one))
        heads = self._log.heads(crucible_ids, self.max_votes) if crucible_ids else {}
        self._let_go(bucket, heads)
        plan = make_plan(heads, self.max_votes)
        if plan is None:
            return None
        self.oldest[bucket] = min(log[0].ms for log in heads.values() if log)
        behind = _behind(plan, heads, whole=len(heads) == len(crucible_ids), most=self.max_votes)
        self._identities = self._log.identities({part.crucible_id for part in plan.ranges})
        reach("drain.naming")
        if not self._log.name(bucket, plan):
            self.oldest.pop(bucket, None)
            return None  # somebody was faster; the next pass looks at theirs
        self._behind.pop(bucket, None)
        if behind is not None:
            self._behind[bucket] = behind
        self._own[bucket], self._begin[bucket] = plan, plan.ranges[-1].crucible_id + 1
        reach("drain.named")
        return plan

    def _let_go(self, bucket: int, heads: Votes) -> None:
        """Take away the hints of logs that are empty, and watch those for a while."""
        emptied = self._emptied.setdefault(bucket, {})
        gone = [crucible_id for crucible_id, votes in heads.items() if not votes]
        self._log.forget(bucket, gone)
        emptied |= dict.fromkeys(gone, WATCHED)
        if emptied:
            lengths = self._log.lengths(list(emptied))
            self._log.hint(one for one, votes in lengths.items() if votes)
            self._emptied[bucket] = {one: left - 1 for one, left in emptied.items() if left > 1 and not lengths[one]}
        if not any(heads.values()):
            self.oldest.pop(bucket, None)

    def _overdue(self, bucket: int, plan: DrainPlan) -> bool:
        """Whether a plan that we did not name has been open long enough."""
        now = time.monotonic()
        seen, since = self._foreign.get(bucket, (None, now))
        if seen != plan:
            self._foreign[bucket] = (plan, now)
            since = now
        return now - since >= TAKEOVER

    def _note(self, plan: DrainPlan, outcome: str) -> None:
        """Remember what we have written; nothing of a log can be in ClickHouse behind votes that were not there yet."""
        for part in plan.ranges:
            if outcome == WRITTEN:
                self._done[part.crucible_id] = (part.epoch, part.last, self._identities[part.crucible_id])
            else:
                self._done.pop(part.crucible_id, None)

    def _continues(self, plan: DrainPlan) -> bool:
        """Whether we wrote what comes right before it, in this Redis: then nobody can have written any of it.

        An older copy of Redis has votes again that went to ClickHouse by other plans.
        """
        return all(
            self._done.get(part.crucible_id) == (part.epoch, part.first - 1, self._identities[part.crucible_id])
            for part in plan.ranges
        )

    def _carry_out(self, bucket: int, plan: DrainPlan, *, named: bool) -> str:
        votes = self._log.read(plan)
        outcome = RECOVERED  # without votes: somebody saw all of it in ClickHouse, and died with the plan still open
        if votes:
            self.oldest[bucket] = min(log[0].ms for log in votes.values())
            outcome = self._write(bucket, plan, votes, named=named)
        reach("drain.verified")
        self._log.trim(plan.ranges)
        reach("drain.trimmed")
        self._log.close(bucket, plan)
        reach("drain.closed")
        self.oldest.pop(bucket, None)
        if bucket in self._behind:  # what is left has waited on, though this plan is done
            self.oldest[bucket] = self._behind.pop(bucket)
        return outcome

    def _write(self, bucket: int, plan: DrainPlan, votes: Votes, *, named: bool) -> str:
        known = named and self._continues(plan)
        outcomes = [
            self._insert(bucket, plan, self._tables.votes, vote_rows(votes), "votes", named=named, known=known),
            self._insert(bucket, plan, self._tables.events, event_rows(votes), "events", named=named, known=known),
        ]
        return next((one for one in (HEALED, RECOVERED) if one in outcomes), WRITTEN)

    def _insert(
        self,
        bucket: int,
        plan: DrainPlan,
        table: PlannedTable[RowT],
        rows: list[RowT],
        place: str,
        *,
        named: bool,
        known: bool,
    ) -> str:
        """Insert a plan's rows into a table, and see them there.

        Args:
            bucket: of the plan.
            plan: the plan.
            table: where to.
            rows: the plan's.
            place: of the fail points.
            named: the plan is our own, and nobody has tried to write it before.
            known: moreover none of its rows can be there yet.
        """
        missing = rows if known else table.missing(rows)
        if not self._log.holds(bucket, plan):
            raise PlanGoneError
        reach(f"drain.{place}_sending")
        table.insert(plan.token, missing)
        reach(f"drain.{place}_sent")
        outcome = WRITTEN if named and len(missing) == len(rows) else RECOVERED
        if lost := self._lost(table, rows):
            if not self._log.holds(bucket, plan):
                raise PlanGoneError
            log.warning("drain.rows_lost", table=table.name, rows=len(lost), token=plan.token)
            table.bring(plan.token, lost)
            outcome = HEALED
        if outcome != WRITTEN:
            self._complete_views(bucket, plan, table, missing or rows)
        return outcome

    def _complete_views(self, bucket: int, plan: DrainPlan, table: PlannedTable[RowT], rows: list[RowT]) -> None:
        """See the plan's rows in the views.

        Somebody else may be inserting the same rows, and the next plan's after that; on a busy server a view shows them
        long after its table. So a difference is one only while the plan is open, and when it stays.
        """
        try:
            table.complete_views(plan.token, rows)
        except SinkDisagreesError as error:
            if not self._log.holds(bucket, plan):
                raise PlanGoneError from error
            token, times = self._disagreed.get(bucket, ("", 0))
            times = times + 1 if token == plan.token else 1
            self._disagreed[bucket] = plan.token, times
            if times < DISAGREEMENTS:
                raise TemporaryError(str(error)) from error
            raise

    def _lost(self, table: PlannedTable[RowT], rows: list[RowT]) -> list[RowT]:
        """The rows that the table does not show, though it took their token."""
        missing = table.missing(rows)
        for wait in SETTLE:
            if not missing:
                break
            time.sleep(wait)
            missing = table.missing(missing)
        return missing


def _behind(plan: DrainPlan, heads: Votes, *, whole: bool, most: int) -> int | None:
    """When the oldest vote was cast that a plan leaves behind, or a little earlier; None if it leaves none.

    Args:
        plan: just made of the heads.
        heads: what was read of the logs.
        whole: every log was looked at.
        most: votes that were read at most; as many were read, and there may be more behind them.
    """
    if not whole:
        return min(log[0].ms for log in heads.values() if log)
    ends = {part.crucible_id: (part.epoch, part.last) for part in plan.ranges}
    full = sum(map(len, heads.values())) >= most
    left: list[int] = []
    for crucible_id, log in heads.items():
        end = ends.get(crucible_id, (0, 0))
        waiting = next((vote.ms for vote in log if (vote.epoch, vote.seq) > end), None)
        if waiting is not None:
            left.append(waiting)
        elif full and log:
            left.append(log[-1].ms)
    return min(left, default=None)
