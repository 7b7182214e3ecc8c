"""Compares what the sinks hold with what the site did, by queries of its own."""

from collections import Counter
from collections.abc import Hashable, Mapping

import redis
from clickhouse_connect.driver.client import Client

from tests.acceptance.history import History

RAW = """
SELECT entityType, entityId, userId, metricType, metricValue, sourceKey, sourceLsn, count()
FROM entityMetricEvents GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
DISTINCT = "SELECT count(), uniqExact(sourceId, sourceIndex) FROM entityMetricEvents"
VIEWS = {
    **{
        view: f"SELECT entity_type, entity_id, metric_type, sum(total) FROM {view} GROUP BY 1, 2, 3"  # noqa: S608 - ours
        for view in ("metric_totals", "metric_daily", "metric_hourly")
    },
    **{
        f"{view} by rows": f"SELECT entity_type, entity_id, metric_type, sum(events) FROM {view} GROUP BY 1, 2, 3"  # noqa: S608
        for view in ("metric_totals", "metric_daily", "metric_hourly")
    },
    "crucible_stats": "SELECT 'Crucible', toInt32(crucible_id), 'Entry', toInt64(entries) FROM crucible_stats",
}


def verdict(history: History, clickhouse: Client, state: redis.Redis) -> list[str]:
    """Every disagreement between the site's history and the sinks, in words; empty when each change counts once."""
    rows = history.rows()
    held: Counter[Hashable] = Counter()
    for *row, count in clickhouse.query(RAW).result_rows:
        held[tuple(row)] = count
    found = [*_both_ways("the raw table", rows, held)]
    ((total, distinct),) = clickhouse.query(DISTINCT).result_rows
    if total != distinct:
        found.append(f"the raw table holds {total} rows of {distinct} changes")
    events: Counter[tuple[str, int, str]] = Counter()
    for (kind, entity, _, metric, *_), count in rows.items():
        events[kind, entity, metric] += count
    totals = history.totals()
    for view, query in VIEWS.items():
        expected: Mapping[tuple[str, int, str], int] = events if view.endswith("by rows") else totals
        if view == "crucible_stats":
            expected = {key: total for key, total in totals.items() if key[0] == "Crucible"}
        shown = {(kind, entity, metric): total for kind, entity, metric, total in clickhouse.query(query).result_rows}
        wrong = [key for key in expected.keys() | shown.keys() if expected.get(key, 0) != shown.get(key, 0)]
        if wrong:
            key = min(wrong)
            found.append(
                f"{view} is wrong for {len(wrong)} keys, {key} shows {shown.get(key, 0)} for {expected.get(key, 0)}"
            )
    return found + _state(history, state)


def _both_ways(
    where: str, expected: Counter[tuple[str, int, int, str, int, int, int]], held: Counter[Hashable]
) -> list[str]:
    lost, more = Counter(expected), Counter(held)
    lost.subtract(held)
    more.subtract(expected)
    found = []
    for word, difference in (("lacks", lost), ("has too many", more)):
        count = sum(number for number in difference.values() if number > 0)
        if count:
            example = next(key for key, number in difference.items() if number > 0)
            found.append(f"{where} {word} {count} rows, for example {example}")
    return found


def _state(history: History, state: redis.Redis) -> list[str]:
    found = []
    for crucible, expected in history.ratings().items():
        given: dict[bytes, bytes] = state.hgetall(f"crucible:{crucible}:elo")  # type: ignore[assignment]
        shown = {int(entry): int(rating) for entry, rating in given.items()}
        if shown != expected:
            found.append(
                f"redis shows {len(shown)} entries of crucible {crucible} for {len(expected)}: "
                f"lacks {sorted(expected.keys() - shown.keys())[:3]}, has {sorted(shown.keys() - expected.keys())[:3]}"
            )
    return found
