"""Metric events of votes that have none: Redis was lost, and with it the plan to write them."""

from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Final

import structlog

from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.vote_history import Span, VoteHistory
from watcher.model.drain_plan import event_rows
from watcher.model.metric_columns import CREATED_AT, SOURCE_ID
from watcher.model.metric_row import MetricRow
from watcher.model.metric_rows import month

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EventsPlan:
    """The events of one month that a crucible lacks; the same events have the same token, whoever misses them."""

    token: str
    doubtful: Final = True
    """An earlier rebuild may have sent them, and ClickHouse have lost them."""


def complete_events(
    crucible_id: int, spans: list[Span], history: VoteHistory, events: PlannedInsert[list[MetricRow], bytes]
) -> None:
    """Write the metric events of a crucible's votes that have none.

    Numbers of rows say nothing, because votes expire and their events stay; so every vote's event is looked for.

    Args:
        crucible_id: whose.
        spans: the votes that are there.
        history: tells which have no event.
        events: where they go.

    Raises:
        TemporaryError: ClickHouse is away; call again.
        SinkDisagreesError: it does not show what was written.
    """
    for span in spans:
        rows = event_rows({crucible_id: history.without_event(crucible_id, span)})
        for of_month, some in groupby(rows, lambda row: month(row[CREATED_AT])):
            block = list(some)
            log.warning("crucible.events_completed", crucible=crucible_id, month=of_month, votes=len(block))
            name = blake2b(b"".join(row[SOURCE_ID] for row in block), digest_size=16).hexdigest()
            events.write(EventsPlan(f"completed/{name}"), block)
