"""Whether the three stores say the same, by queries of its own and by those of the demo's audit: none of the watcher's.

What is on its way shows as a disagreement, so people stop first.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from demo import vote_audit, vote_truth
from demo.audit import compare_redis

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from demo.places import Places

COUNTS = """
SELECT 'CrucibleEntry', id::bigint, 'Crucible', "crucibleId", "userId", 'Entry', 1::bigint FROM "CrucibleEntry"
UNION ALL SELECT 'CrucibleEntry', id, 'User', "userId", "userId", 'crucibleEntryCount', 1 FROM "CrucibleEntry"
UNION ALL SELECT 'Crucible', id, 'User', "userId", "userId", 'crucibleCount', 1 FROM "Crucible"
UNION ALL SELECT 'crucible_comment', comment_id, 'Crucible', crucible_id, user_id, 'commentCount', 1
FROM crucible_watcher.crucible_comment
UNION ALL SELECT 'entry_verdict', entry_id, 'Crucible', crucible_id, user_id,
       CASE verdict WHEN 'admitted' THEN 'EntryAdmitted' ELSE 'EntryRejected' END, 1
FROM crucible_watcher.entry_verdict WHERE verdict IN ('admitted', 'rejected')
UNION ALL SELECT 'entry_verdict', entry_id, 'Crucible', crucible_id, user_id, 'PrizePool', fee
FROM crucible_watcher.entry_verdict WHERE fee <> 0
"""
"""What each row counts for, by what the metrics are documented to mean."""
EVENTS = """
SELECT toString(source), sourceKey, toString(entityType), entityId, userId, toString(metricType),
       sum(metricValue) AS net
FROM entityMetricEvents WHERE source IN ('CrucibleEntry', 'Crucible', 'crucible_comment', 'entry_verdict')
GROUP BY ALL HAVING net != 0
"""
VIEWS = ("metric_totals", "metric_daily", "metric_hourly")
VIEW = """
SELECT toString(entity_type), entity_id, toString(metric_type), toInt64(sum(total)) AS net FROM {view:Identifier}
WHERE metric_type IN ('Entry', 'crucibleEntryCount', 'crucibleCount', 'commentCount', 'EntryAdmitted', 'EntryRejected',
                      'PrizePool')
GROUP BY ALL HAVING net != 0
"""
COUNTED = """
SELECT sourceKey FROM entityMetricEvents
WHERE source = {source:String} AND sourceKey IN {keys:Array(Int64)}
GROUP BY sourceKey, entityType, entityId, userId, metricType HAVING sum(metricValue) != 0
"""
ENTRIES = 'SELECT "crucibleId", array_agg(id) FROM "CrucibleEntry" GROUP BY "crucibleId"'
RATED = "crucible:[0-9]*:elo"
ANEW = "is at vote 0,"
"""A crucible that was rebuilt numbers its votes anew in the next epoch, and nobody has voted since."""
SHOWN = 12
"""Disagreements that are told."""


def disagreements(places: Places, expired: Collection[int] = ()) -> list[str]:
    """Return in what the stores disagree, in words.

    Args:
        places: where they are.
        expired: entries whose metric events have been taken away, and with them what views show of them.
    """
    counted = _counted(places.postgres.execute(COUNTS).fetchall())
    gone = {("CrucibleEntry", key) for key in expired}
    expected = {what: net for what, net in counted.items() if what[:2] not in gone}
    found = list(_differing("events", expected, _counted(places.clickhouse.query(EVENTS).result_rows)))
    totals = Counter[tuple[Any, ...]]()
    for (_, _, entity_type, entity, _, metric), net in expected.items():
        totals[entity_type, entity, metric] += net
    for view in VIEWS:
        shown = places.clickhouse.query(VIEW, parameters={"view": view}).result_rows
        found += _differing(view, {one: net for one, net in totals.items() if net}, _counted(shown))
    found += _redis(places)
    return found


def counted(places: Places, keys: Iterable[int], source: str = "CrucibleEntry") -> set[int]:
    """Return those of some rows that count for something."""
    asked = places.clickhouse.query(COUNTED, parameters={"source": source, "keys": list(keys)})
    return {int(key) for (key,) in asked.result_rows}


def _counted(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    sums = Counter[tuple[Any, ...]]()
    for *what, net in rows:
        sums[tuple(what)] += int(net)
    return dict(sums)


def _differing(
    where: str, expected: Mapping[tuple[Any, ...], int], found: Mapping[tuple[Any, ...], int]
) -> Iterator[str]:
    for what in sorted(expected.keys() | found.keys()):
        should, does = expected.get(what, 0), found.get(what, 0)
        if should != does:
            yield f"{where}: {' '.join(map(str, what))} is {does} instead of {should}"


def _redis(places: Places) -> Iterator[str]:
    standing = {crucible: set(ids) for crucible, ids in places.postgres.execute(ENTRIES)}
    ghosts = {int(key.split(":")[1]) for key in places.redis.scan_iter(RATED, count=10_000)} - standing.keys()
    standing |= {ghost: set() for ghost in ghosts}
    numbered = vote_truth.numbered(places.clickhouse)
    voted = vote_truth.standings(numbered)
    yield from map(str, compare_redis(places.redis, standing, voted))
    yield from map(str, vote_audit.numbering(numbered))
    yield from map(str, vote_audit.ratings(voted))
    yield from (said for one in vote_audit.redis(places.redis, standing, voted) if ANEW not in (said := str(one)))
    yield from map(str, vote_audit.events(places.clickhouse, voted))
    yield from map(str, vote_audit.views(places.clickhouse, voted))
