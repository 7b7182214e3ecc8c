"""Writes a drain plan to both of ClickHouse's tables, as long as the plan is open."""

from typing import TypeVar

from watcher.clickhouse.planned_insert import PlannedInsert, ViewsDisagreeError
from watcher.clickhouse.planned_table import IdentityT
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model.drain_plan import DrainPlan, event_rows, vote_rows
from watcher.model.errors import TemporaryError
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.vote import VotesByCrucible
from watcher.redis.vote_log import VoteLog
from watcher.runtime.failpoint import reach
from watcher.votes.bucket_state import BucketState

RowT = TypeVar("RowT", bound=tuple[object, ...])


class PlanGoneError(Exception):
    """Raised when somebody else has finished the plan that we were about to write."""


class VotePlanWriter:
    """Writes plans; for one thread.

    Args:
        log: tells whether a plan is still open.
        tables: where votes and their metric events go.
    """

    def __init__(self, log: VoteLog, tables: VoteTables) -> None:
        self._log, self._tables = log, tables

    def write(self, state: BucketState, plan: DrainPlan, votes: VotesByCrucible, *, named: bool) -> PlanOutcome:
        """Write a plan's rows into both tables, and return once they were seen there and in the views.

        Args:
            state: of the plan's bucket.
            plan: the plan.
            votes: of the plan.
            named: the plan is our own, and nobody has tried to write it before.

        Raises:
            PlanGoneError: somebody else has finished it.
            TemporaryError: ClickHouse or Redis is away, or a view does not show the rows yet.
            SinkDisagreesError: ClickHouse does not show what was written.
        """
        known = named and state.continues(plan)
        outcomes = {
            self._insert(state, plan, self._tables.votes, vote_rows(votes), "votes", named=named, known=known),
            self._insert(state, plan, self._tables.events, event_rows(votes), "events", named=named, known=known),
        }
        self._hold(state, plan)
        for outcome in (PlanOutcome.HEALED, PlanOutcome.RECOVERED):
            if outcome in outcomes:
                return outcome
        return PlanOutcome.WRITTEN

    def _insert(
        self,
        state: BucketState,
        plan: DrainPlan,
        table: PlannedInsert[list[RowT], IdentityT],
        rows: list[RowT],
        place: str,
        *,
        named: bool,
        known: bool,
    ) -> PlanOutcome:
        """Insert a plan's rows into a table, and see them there.

        Args:
            state: of the plan's bucket.
            plan: the plan.
            table: where to.
            rows: the plan's.
            place: of the fail points.
            named: the plan is our own, and nobody has tried to write it before.
            known: moreover none of its rows can be there yet.
        """

        def before_send() -> None:
            self._hold(state, plan)
            reach(f"drain.{place}_sending")

        def after_send() -> None:
            reach(f"drain.{place}_sent")

        present = set[IdentityT]() if known else table.present([rows])
        first = named and len(table.missing(rows, present)) == len(rows)
        attempt = table.write if first else table.recover
        try:
            return attempt(plan, rows, before_send, present, after_send)
        except ViewsDisagreeError as error:
            # Somebody else may be inserting the same rows, and the next plan's after that; on a busy server a view
            # shows them long after its table. So a difference is one only while the plan is open, and when it stays.
            self._hold(state, plan)
            if state.disagrees(plan):
                raise
            raise TemporaryError(str(error)) from error

    def _hold(self, state: BucketState, plan: DrainPlan) -> None:
        """Check that the plan is still the one that is open.

        Raises:
            PlanGoneError: it is not.
        """
        if not self._log.holds(state.bucket, plan):
            raise PlanGoneError
