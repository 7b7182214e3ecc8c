"""What a drain remembers of one bucket between its passes, and what it decides by that; without I/O or clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from watcher.model.drain_plan import DrainPlan
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.vote import VotesByCrucible

TAKEOVER_SECONDS: Final = 1.0
"""How long somebody else's plan may be open until we carry it out too. Shorter: processes do each other's work; longer:
votes of a process that died wait."""
MAX_DISAGREEMENTS: Final = 5
"""Times that a view may differ from its table for one plan until that is a fault. Fewer: a busy server looks broken."""
WATCHED_PASSES: Final = 40
"""Passes for which a log that was found empty is looked at again, because a vote may have come while its hint went."""


class _Written(NamedTuple):
    """Where the votes end that we have written of a crucible's log."""

    epoch: int
    last: int
    redis: str
    """Identity of the Redis process that held the log."""


@dataclass(slots=True)
class BucketState:
    """What one drain remembers of one bucket. Losing it costs questions and a second's wait, never a vote."""

    bucket: int
    oldest_ms: int | None = None
    """When the oldest vote was cast that the last pass found and did not drain; milliseconds since 1970."""
    _own: DrainPlan | None = None
    """The plan that we named last."""
    _foreign: tuple[DrainPlan, float] | None = None
    """A plan that somebody else named, and since when we know of it."""
    _begin: int = 0
    """The crucible whose turn is next."""
    _behind_ms: int | None = None
    """When the oldest vote was cast that our open plan leaves in its logs."""
    _redis: Mapping[int, str] = field(default_factory=dict)
    """Identity of the Redis process that held each log of our plan when it was named."""
    _written: dict[int, _Written] = field(default_factory=dict)
    _disagreed: tuple[str, int] = ("", 0)
    """Token of the plan whose views differed from their table, and how often they did."""
    _emptied: dict[int, int] = field(default_factory=dict)
    """Logs that were found empty, and for how many passes they are looked at again."""

    def begin_with(self, crucible_ids: Iterable[int]) -> list[int]:
        """Return the crucibles in the order of their turns: after the one where the last plan ended come the others.

        >>> BucketState(1, _begin=9).begin_with([1, 17, 9])
        [9, 17, 1]
        """
        return sorted(crucible_ids, key=lambda one: (one < self._begin, one))

    def name(self, plan: DrainPlan, behind_ms: int | None, redis: Mapping[int, str]) -> None:
        """Note that this plan is open, and that it is ours.

        Args:
            plan: the plan.
            behind_ms: what ``left_behind`` says of it.
            redis: identity of the Redis process that holds each log; asked after the logs were read.
        """
        self._own, self._behind_ms, self._redis = plan, behind_ms, redis
        self._begin = plan.ranges[-1].crucible_id + 1

    def may_carry_out(self, plan: DrainPlan, now: float) -> bool:
        """Return whether it is for us to carry out a plan that we found open: it is ours, or open for too long.

        Args:
            plan: as it lies in Redis.
            now: monotonic seconds.
        """
        if plan == self._own:
            return True
        if self._foreign is None or self._foreign[0] != plan:
            self._foreign = plan, now
        return now - self._foreign[1] >= TAKEOVER_SECONDS

    def take(self) -> None:
        """Note that a plan is being carried out, whoever named it."""
        self._foreign = None

    def continues(self, plan: DrainPlan) -> bool:
        """Return whether we wrote what comes right before it, in this Redis: then nobody can have written any of it.

        An older copy of Redis has votes again that went to ClickHouse by other plans.

        Args:
            plan: just named by us.
        """
        return all(
            self._written.get(part.crucible_id) == (part.epoch, part.first - 1, self._redis[part.crucible_id])
            for part in plan.ranges
        )

    def close(self, plan: DrainPlan, outcome: PlanOutcome) -> None:
        """Note that a plan is done: what is left in its logs has waited on, and what we have written is known.

        Nothing of a log can be in ClickHouse behind votes that were not there yet.
        """
        self.oldest_ms, self._behind_ms = self._behind_ms, None
        for part in plan.ranges:
            if outcome is PlanOutcome.WRITTEN:
                self._written[part.crucible_id] = _Written(part.epoch, part.last, self._redis[part.crucible_id])
            else:
                self._written.pop(part.crucible_id, None)

    def disagrees(self, plan: DrainPlan) -> bool:
        """Note that a view differs from its table for a plan; return whether that was often enough to be a fault."""
        token, times = self._disagreed
        times = times + 1 if token == plan.token else 1
        self._disagreed = plan.token, times
        return times >= MAX_DISAGREEMENTS

    def watch(self, emptied: Iterable[int]) -> list[int]:
        """Note logs that were found empty; return all of those whose lengths are to be looked at."""
        self._emptied |= dict.fromkeys(emptied, WATCHED_PASSES)
        return list(self._emptied)

    def looked_at(self, lengths: Mapping[int, int]) -> None:
        """Note that the watched logs were looked at; one that has got votes, and its hint, needs no more watching.

        Args:
            lengths: votes in each of them.
        """
        self._emptied = {one: left - 1 for one, left in self._emptied.items() if left > 1 and not lengths[one]}

    @property
    def watches(self) -> bool:
        """Return whether there are logs to be looked at again."""
        return bool(self._emptied)


def oldest(votes: VotesByCrucible) -> int | None:
    """Return when the oldest of some logs' votes was cast, None if there is none; milliseconds since 1970."""
    return min((log[0].ms for log in votes.values() if log), default=None)


def left_behind(plan: DrainPlan, heads: VotesByCrucible, *, whole: bool, most: int) -> int | None:
    """Return when the oldest vote was cast that a plan leaves behind, or a little earlier; None if it leaves none.

    Args:
        plan: just made of the heads.
        heads: what was read of the logs.
        whole: every log was looked at.
        most: votes that were read at most; as many were read, and there may be more behind them.
    """
    if not whole:
        return oldest(heads)
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
