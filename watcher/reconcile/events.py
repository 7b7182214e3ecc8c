"""Compares metric events with themselves: no change is there twice, and each view shows what its table adds up to."""

from typing import Final

import msgspec

from watcher.clickhouse.reads import ClickHouseReads

VIEWS: Final = ("metric_totals", "metric_daily", "metric_hourly")
"""Views of metric events, as people read them."""
MAX_VIEW_DIFFERENCES: Final = 1_000
"""Totals of a view that are told; more would hide what is wrong with it."""


class TwiceReport(msgspec.Struct, frozen=True):
    """Events of one source table that are there more than once."""

    source: str
    rows: int
    keys: tuple[int, ...]
    """Keys of some of the rows that they are of."""


class ViewReport(msgspec.Struct, frozen=True):
    """Totals that a view shows otherwise than its table's rows add up to."""

    view: str
    differing: int
    """How many, at most :data:`MAX_VIEW_DIFFERENCES`."""
    examples: tuple[tuple[str, int, int], ...]
    """Some of them: the metric as ``EntityType:entity:metricType``, what was counted, and what the view shows."""


def events_twice(reads: ClickHouseReads) -> list[TwiceReport]:
    """Return, by source table, events that are there more than once.

    Raises:
        TemporaryError: ClickHouse is away.
    """
    return [TwiceReport(str(source), int(rows), tuple(keys)) for source, rows, keys in reads("events_twice", {})]


def differing_views(reads: ClickHouseReads, examples: int) -> list[ViewReport]:
    """Return the views that do not show what their table's rows add up to.

    Args:
        reads: asks ClickHouse.
        examples: how many totals of each to name.

    Raises:
        TemporaryError: ClickHouse is away.
    """
    found = []
    for view in VIEWS:
        rows = reads("view_differences", {"most": MAX_VIEW_DIFFERENCES}, table=view)
        if rows:
            shown = tuple(
                (f"{kind}:{entity}:{metric}", int(counted), int(viewed))
                for kind, entity, metric, counted, viewed in rows[:examples]
            )
            found.append(ViewReport(view, len(rows), shown))
    return found
