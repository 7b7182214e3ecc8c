"""The watcher with protections switched off: ``python -m tests.acceptance.weakened asking,token``.

A proof that cannot fail proves nothing. Each entry takes one protection away and leaves all else as it ships.
"""

import os
import signal
import sys
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

import watcher.changes.ingest
import watcher.changes.lane
import watcher.changes.plans
import watcher.kafka.source
import watcher.model.plan
import watcher.redis.sink
from watcher.changes.lane import Gathered, Lane
from watcher.changes.loop import ChangeLoop
from watcher.changes.plans import Plans
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.kafka.source import KafkaSource
from watcher.model.plan import Plan
from watcher.redis.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Callable


def asking() -> None:
    """Nobody asks ClickHouse what is there already, before something is sent for the first time."""
    PlannedInsert.present = lambda *_: set()  # type: ignore[method-assign]


def reading_back() -> None:
    """What ClickHouse answers is believed: after an insert nobody looks whether the rows are there."""
    PlannedInsert.recover = (  # type: ignore[method-assign]
        lambda insert, plan, rows, send: insert.write(plan, rows, send)
    )


def completing() -> None:
    """Nobody compares the views with the table after a recovery."""
    PlannedInsert._complete_views = lambda *_: None  # type: ignore[method-assign]


def token() -> None:
    """Each insert has a name of its own, so that one that lands late is not recognised."""
    numbers = count()
    Plan.token = property(lambda _: f"{os.getpid()}/{next(numbers)}")  # type: ignore[assignment, method-assign]


def lease() -> None:
    """A plan is sent however old it is."""
    Lane.permit = lambda _: None  # type: ignore[method-assign]


def standing_still() -> None:
    """No protection: the process is suspended between asking what is there and asking for permission to send."""
    permit, left = Lane.permit, [None]

    def stop_first(lane: Lane) -> None:
        if left:
            left.pop()
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        permit(lane)

    Lane.permit = stop_first  # type: ignore[method-assign]


def naming() -> None:
    """Kafka is told how far the sinks are, and not what is about to be sent."""
    commit: Callable[..., dict[Any, str]] = KafkaSource.commit

    def without_plans(source: KafkaSource, offsets: dict[Any, tuple[int, str]]) -> dict[Any, str]:
        return commit(source, {place: (offset, "") for place, (offset, _) in offsets.items()})

    KafkaSource.commit = without_plans  # type: ignore[method-assign, assignment]


def order() -> None:
    """Offsets are acknowledged before their rows are written, as by a consumer that commits what it has read."""
    committed = Plans._committed

    def acknowledge_first(plans: Plans, lane: Lane, plan: Plan) -> None:
        done = Plan(plan.topic_id, plan.partition, plan.end, plan.end)
        plans._source.commit({(lane.topic, lane.partition): (plan.end, done.to_metadata())})
        committed(plans, lane, plan)

    Plans._committed = acknowledge_first  # type: ignore[method-assign]


def batch() -> None:
    """A batch is not searched for changes that are in it twice."""

    class Forgetful(set[bytes]):
        def __contains__(self, _: object) -> bool:
            return False

    def forgetful() -> Gathered:
        return Gathered(identities=Forgetful())

    watcher.changes.lane.Gathered = forgetful  # type: ignore[assignment, misc]


def marks() -> None:
    """Redis shows whatever came last, older or not."""
    shipped = watcher.redis.sink.ROW_STATE
    weak = Script.of(shipped.text.replace("no_news(mark, shown[id])", "false"))
    assert weak != shipped
    watcher.redis.sink.ROW_STATE = weak  # type: ignore[misc]


def pressure() -> None:
    """Reading goes on however much waits for ClickHouse."""
    ChangeLoop._apply_backpressure = (  # type: ignore[method-assign]
        lambda loop: loop._report.waiting(loop._plans.waiting_rows)
    )


if __name__ == "__main__":
    for name in sys.argv.pop(1).split(","):
        globals()[name]()
    sys.argv[1:] = ["run"]
    from watcher.cli import main

    main()
