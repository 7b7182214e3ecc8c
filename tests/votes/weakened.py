"""Protections of the drain and the verifier, to be switched off: a proof that cannot fail proves nothing."""

import os
from itertools import count
from typing import Any

from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.model.drain_plan import DrainPlan
from watcher.model.plan_outcome import PlanOutcome
from watcher.redis.vote_log import VoteLog
from watcher.votes.bucket_state import BucketState
from watcher.votes.plan_writer import VotePlanWriter


def asking() -> None:
    """Nobody asks ClickHouse what is there already, before or after an insert."""
    PlannedInsert._present = lambda *_: frozenset()  # type: ignore[method-assign]
    PlannedInsert._restore = lambda *_: False  # type: ignore[method-assign]


def token() -> None:
    """Each insert has a name of its own."""
    numbers = count()
    DrainPlan.token = property(lambda _: f"{os.getpid()}/{next(numbers)}")  # type: ignore[assignment, method-assign]


def asking_and_token() -> None:
    """Neither asked nor recognised."""
    asking()
    token()


def order() -> None:
    """Logs are trimmed before their votes are in ClickHouse."""
    write = VotePlanWriter.write

    def trim_first(
        writer: VotePlanWriter, state: BucketState, plan: DrainPlan, votes: Any, **given: Any
    ) -> PlanOutcome:
        writer._log.trim(plan.ranges)
        return write(writer, state, plan, votes, **given)

    VotePlanWriter.write = trim_first  # type: ignore[method-assign]


def plans() -> None:
    """Nobody names what is about to be sent, so that whoever goes on after a death cannot know."""
    VoteLog.name = lambda *_: True  # type: ignore[method-assign]
    VoteLog.holds = lambda *_: True  # type: ignore[method-assign]


def completing() -> None:
    """Nobody compares the views with their tables after a recovery."""
    PlannedInsert._complete_views = lambda *_: None  # type: ignore[method-assign]


def bringing() -> None:
    """What ClickHouse answers is believed: nobody looks whether the rows are there."""
    PlannedInsert._restore = lambda *_: False  # type: ignore[method-assign]
