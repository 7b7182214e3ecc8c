"""Writes changes that were decided and announced to be counted: whoever comes first does it, under one token."""

from collections.abc import Callable
from typing import Final

from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.model.metric_row import unpacked
from watcher.model.metric_rows import MetricRows
from watcher.postgres.own import replay
from watcher.postgres.session import Session
from watcher.reconcile.repairs.after_repairs import LOOK_SECONDS
from watcher.runtime.failpoint import reach

ANNOUNCED_SECONDS: Final = 2.5 * LOOK_SECONDS
"""Seconds between a decision and its insert: every watcher has seen it by then."""


def carry_out(
    session: Session, insert: PlannedInsert[MetricRows, bytes], table: str, pause: Callable[[float], None]
) -> None:
    """Write what was decided to be counted of a table and is perhaps not written.

    Args:
        session: where it was decided.
        insert: writes it, and finds it again by its places in the log.
        table: which.
        pause: waits for some seconds.

    Raises:
        TemporaryError: a neighbour is away; call again.
        SinkDisagreesError: ClickHouse does not show what was written.
    """
    found = replay.open_replays(session, table)
    if found:
        pause(ANNOUNCED_SECONDS)  # whoever has decided it may have died before that was seen
    for plan in found:
        insert.recover(plan, MetricRows(unpacked(plan.planned)))
        reach("replay.written")
        replay.done(session, plan.id)
