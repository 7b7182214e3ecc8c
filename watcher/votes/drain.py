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
from typing import Final

from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.drain_plan import DrainPlan, make_plan, votes_of
from watcher.model.errors import TemporaryError
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.vote import VotesByCrucible
from watcher.redis.keys import BUCKETS
from watcher.redis.vote_log import VoteLog
from watcher.runtime.failpoint import reach
from watcher.votes.bucket_state import BucketState, left_behind, oldest
from watcher.votes.observer import DrainObserver
from watcher.votes.plan_writer import PlanGoneError, VotePlanWriter

RETRY_SECONDS: Final = 0.25
"""Seconds after a failed pass over a bucket whose votes somebody waits for."""
MAX_FAILED_PASSES: Final = 5
"""Failed passes in a row until whoever waits for a crucible's votes is told. Fewer: a neighbour's restart is an error;
more: they hear late of one that is away."""
LOOK_AGAIN_SECONDS: Final = 0.05
"""Seconds between two looks at a plan that somebody else is carrying out, while somebody waits for its votes."""


class DrainTimeoutError(TemporaryError):
    """Raised when the votes of a crucible are not in ClickHouse after the time that there was; they still wait."""


class Drain:
    """Carries out plans; for one thread.

    Args:
        votes: Redis' logs.
        tables: ClickHouse's tables.
        observer: hears of each plan.
        max_votes: votes of one plan, and hence held in memory.
    """

    def __init__(self, votes: VoteLog, tables: VoteTables, observer: DrainObserver, max_votes: int) -> None:
        self._log, self._writer, self._observer = votes, VotePlanWriter(votes, tables), observer
        self.max_votes = max_votes
        self._buckets = [BucketState(bucket) for bucket in range(BUCKETS)]

    @property
    def oldest(self) -> dict[int, int]:
        """Return by bucket when the oldest vote was cast that the last pass left; milliseconds since 1970."""
        return {state.bucket: state.oldest_ms for state in self._buckets if state.oldest_ms is not None}

    def quiet(self) -> set[int]:
        """Return the buckets in which a pass would find nothing: one question, and mostly that is every one.

        Raises:
            TemporaryError: Redis is away.
        """
        found = {bucket for bucket in self._log.quiet() if not self._buckets[bucket].watches}
        for bucket in found:
            self._buckets[bucket].oldest_ms = None
        return found

    def turn(self, bucket: int) -> int:
        """Make one pass over a bucket.

        Args:
            bucket: which.

        Returns:
            Votes drained; 0 also while somebody else is at it.

        Raises:
            TemporaryError: a neighbour is away; what was begun is finished by a later pass, of anybody.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        state = self._buckets[bucket]
        plan, votes = self._log.open_plan(bucket), None
        if plan is None:
            named = self._name(state)
            if named is None:
                return 0
            plan, votes = named
        elif not state.may_carry_out(plan, time.monotonic()):
            state.oldest_ms = None  # whoever is at it tells
            return 0
        state.take()
        begun = time.monotonic()
        try:
            outcome = self._carry_out(state, plan, votes)
        except PlanGoneError:
            state.oldest_ms = None
            return 0
        self._observer.drained(plan.votes, outcome, time.monotonic() - begun)
        return plan.votes

    def drain_crucible(self, crucible_id: int, deadline: float) -> None:
        """Drain until a crucible's log is empty; its votes must be refused meanwhile, or it may never be.

        Raises:
            TemporaryError: a neighbour is away.
            DrainTimeoutError: it took longer than ``deadline`` seconds.
        """
        until = time.monotonic() + deadline
        bucket = crucible_id % BUCKETS
        self._log.hint([crucible_id])
        failed = 0
        while self._log.lengths([crucible_id])[crucible_id]:
            if time.monotonic() > until:
                raise DrainTimeoutError(f"the votes of crucible {crucible_id} were not drained within {deadline:g} s")
            try:
                drained = self.turn(bucket)
            except TemporaryError:
                failed += 1
                if failed == MAX_FAILED_PASSES:
                    raise
                time.sleep(RETRY_SECONDS)
                continue
            failed = 0
            if not drained:
                time.sleep(LOOK_AGAIN_SECONDS)

    def _name(self, state: BucketState) -> tuple[DrainPlan, VotesByCrucible] | None:
        """Name a plan of the votes that wait, and return both; None if there are none, or somebody was faster."""
        crucible_ids = state.begin_with(self._log.hints(state.bucket))
        heads = self._log.heads(crucible_ids, self.max_votes) if crucible_ids else {}
        self._let_go(state, heads)
        state.oldest_ms = oldest(heads)
        plan = make_plan(heads, self.max_votes)
        if plan is None:
            return None
        behind = left_behind(plan, heads, whole=len(heads) == len(crucible_ids), most=self.max_votes)
        redis = self._log.identities({part.crucible_id for part in plan.ranges})
        reach("drain.naming")
        if not self._log.name(state.bucket, plan):
            state.oldest_ms = None
            return None  # the next pass looks at theirs
        state.name(plan, behind, redis)
        reach("drain.named")
        return plan, votes_of(plan, heads)

    def _let_go(self, state: BucketState, heads: VotesByCrucible) -> None:
        """Take away the hints of logs that are empty, and watch those for a while."""
        emptied = [crucible_id for crucible_id, votes in heads.items() if not votes]
        self._log.forget(state.bucket, emptied)
        if watched := state.watch(emptied):
            lengths = self._log.lengths(watched)
            self._log.hint(one for one, votes in lengths.items() if votes)
            state.looked_at(lengths)

    def _carry_out(self, state: BucketState, plan: DrainPlan, votes: VotesByCrucible | None) -> PlanOutcome:
        """Bring a plan's votes to ClickHouse and out of their logs.

        Args:
            state: of the plan's bucket.
            plan: the plan.
            votes: of one that we have named in this very pass, and not read again: a log only ever grows at its end.
                None: they are read.
        """
        named = votes is not None
        if votes is None:
            votes = self._log.read(plan)
        outcome = PlanOutcome.RECOVERED  # without votes somebody saw them in ClickHouse, and died with the plan open
        if votes:
            state.oldest_ms = oldest(votes)
            outcome = self._writer.write(state, plan, votes, named=named)
        reach("drain.verified")
        self._log.trim(plan.ranges)
        reach("drain.trimmed")
        self._log.close(state.bucket, plan)
        reach("drain.closed")
        state.close(plan, outcome)
        return outcome
