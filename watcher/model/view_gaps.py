"""Whether each view shows what the raw table holds, and whether a plan's rows explain the gap.

An insert becomes several parts: one of the raw table, one a view. A crash can leave some of them out. Sending the same
rows under the same token again fills just the views that miss them, so a gap may be closed that way if, and only if, it
is exactly what those rows add.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from enum import Enum
from typing import TypeVar

from watcher.model.metric_row import MetricRow

Key = tuple[str, int, str]
"""Entity type, entity id, metric type."""
K = TypeVar("K", bound=Hashable)


class Gap(Enum):
    """How a view relates to the raw table, for the keys of a plan."""

    NONE = "none"
    PLAN = "plan"
    """The view lacks exactly what the plan's rows add."""
    OTHER = "other"


def contribution(rows: Iterable[MetricRow]) -> dict[Key, int]:
    """Return what rows add to the totals of their keys."""
    totals: Counter[Key] = Counter()
    for entity_type, entity_id, _, metric_type, value, *_ in rows:
        totals[entity_type, entity_id, metric_type] += value
    return dict(totals)


def gap(raw: Mapping[K, int], view: Mapping[K, int], plan: Mapping[K, int]) -> Gap:
    """Return how one view relates to the raw table, for the keys of a plan.

    >>> key = ("Crucible", 42, "Entry")
    >>> gap({key: 5}, {key: 5}, {key: 2}), gap({key: 5}, {key: 3}, {key: 2}), gap({key: 5}, {key: 4}, {key: 2})
    (<Gap.NONE: 'none'>, <Gap.PLAN: 'plan'>, <Gap.OTHER: 'other'>)
    """
    missing = {key: raw.get(key, 0) - view.get(key, 0) for key in plan}
    if not any(missing.values()):
        return Gap.NONE
    return Gap.PLAN if missing == dict(plan) else Gap.OTHER
