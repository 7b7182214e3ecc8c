"""Compares metric events with themselves: no change is there twice, and each view shows what its table adds up to."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from watcher.clickhouse.reads import ClickHouseReads

VIEWS: Final = ("metric_totals", "metric_daily", "metric_hourly")
"""Views of metric events, as people read them."""
MAX_VIEW_DIFFERENCES: Final = 1_000
"""Totals of a view that are told; more would hide what is wrong with it."""
MAX_LOOKS: Final = 5
LOOK_SECONDS: Final = 2.0
"""Looks, and seconds between two of them, until what a view shows differs from its table by the same. Fewer: rows that
were inserted between the two questions of a look are told as a difference."""


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


def differing_views(
    reads: ClickHouseReads, examples: int, pause: Callable[[float], None] = time.sleep
) -> list[ViewReport]:
    """Return the views that do not show what their table's rows add up to, by the same at two looks.

    Args:
        reads: asks ClickHouse.
        examples: how many totals of each to name.
        pause: waits for some seconds.

    Raises:
        TemporaryError: ClickHouse is away.
    """
    found = []
    for view in VIEWS:
        rows = _differing_totals(reads, view)
        for _ in range(MAX_LOOKS):
            if not rows:
                break
            pause(LOOK_SECONDS)
            again = _differing_totals(reads, view)
            same = {one: told for one, told in again.items() if one in rows and _off(told) == _off(rows[one])}
            rows, settled = same or again, len(same) == len(again)
            if settled:
                break
        if rows:
            shown = tuple((":".join(map(str, one)), *told) for one, told in rows.items())[:examples]
            found.append(ViewReport(view, len(rows), shown))
    return found


def _differing_totals(reads: ClickHouseReads, view: str) -> dict[tuple[str, int, str], tuple[int, int]]:
    """Return the totals that a view shows otherwise: what was counted, and what the view shows."""
    return {
        (str(kind), int(entity), str(metric)): (int(counted), int(viewed))
        for kind, entity, metric, counted, viewed in reads(
            "view_differences", {"most": MAX_VIEW_DIFFERENCES}, table=view
        )
    }


def _off(told: tuple[int, int]) -> int:
    return told[0] - told[1]
