"""Protections of the drain and the verifier, to be switched off: a proof that cannot fail proves nothing."""

import os
from itertools import count
from typing import Any

from watcher.clickhouse.planned_table import PlannedTable
from watcher.model.drain_plan import DrainPlan
from watcher.redis.vote_log import VoteLog
from watcher.votes.drain import Drain


def asking() -> None:
    """Nobody asks ClickHouse what is there already, before or after an insert."""
    PlannedTable.missing = lambda _, rows: rows  # type: ignore[method-assign]
    Drain._lost = lambda *_: []  # type: ignore[method-assign]


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
    write = Drain._write

    def trim_first(drain: Drain, bucket: int, plan: DrainPlan, votes: Any, **given: Any) -> str:
        drain._log.trim(plan.ranges)
        return write(drain, bucket, plan, votes, **given)

    Drain._write = trim_first  # type: ignore[method-assign]


def plans() -> None:
    """Nobody names what is about to be sent, so that whoever goes on after a death cannot know."""
    VoteLog.name = lambda *_: True  # type: ignore[method-assign]
    VoteLog.holds = lambda *_: True  # type: ignore[method-assign]


def completing() -> None:
    """Nobody compares the views with their tables after a recovery."""
    PlannedTable.complete_views = lambda *_: None  # type: ignore[method-assign]


def bringing() -> None:
    """What ClickHouse answers is believed: nobody looks whether the rows are there."""
    Drain._lost = lambda *_: []  # type: ignore[method-assign]
