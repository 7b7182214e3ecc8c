"""Compares PostgreSQL with ClickHouse and Redis by queries of its own; it shares no line with the watcher.

``python -m demo.audit`` audits what the ``CRUCIBLE_*`` variables point at.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import redis
from clickhouse_connect.driver.client import Client

from demo import truth
from demo.places import Places
from demo.truth import Row, Total

RAW_ROWS = """
SELECT entityType, entityId, userId, metricType, metricValue, count() FROM entityMetricEvents
WHERE (entityType, metricType) IN (('Crucible', 'Entry'), ('User', 'crucibleEntryCount'), ('User', 'crucibleCount'))
GROUP BY 1, 2, 3, 4, 5
"""
RAW_TOTALS = """
SELECT entityType, entityId, metricType, sum(metricValue) FROM entityMetricEvents
WHERE (entityType, metricType) IN (('Crucible', 'Entry'), ('User', 'crucibleEntryCount'), ('User', 'crucibleCount'))
GROUP BY 1, 2, 3
"""
RAW_ENTRIES = (
    "SELECT sourceKey, sum(metricValue) FROM entityMetricEvents "
    "WHERE source = 'CrucibleEntry' AND entityType = 'Crucible' AND metricType = 'Entry' GROUP BY 1"
)
REPEATED = (
    "SELECT source, sourceKey, hex(sourceId), sourceIndex, count() FROM entityMetricEvents "
    "WHERE source != '' GROUP BY 1, 2, 3, 4 HAVING count() > 1"
)
COUNTED = "(('Crucible', 'Entry'), ('User', 'crucibleEntryCount'), ('User', 'crucibleCount'))"
VIEW_TOTALS: Mapping[str, str] = {
    **{
        view: f"SELECT entity_type, entity_id, metric_type, sum(total) FROM {view} "  # noqa: S608 - names of our own
        f"WHERE (entity_type, metric_type) IN {COUNTED} GROUP BY 1, 2, 3"
        for view in ("metric_totals", "metric_daily", "metric_hourly")
    },
    "crucible_stats": "SELECT 'Crucible', toInt32(crucible_id), 'Entry', toInt64(entries) FROM crucible_stats",
}
"""Aggregate view -> query of the sums that it shows, in the form of RAW_TOTALS."""

BASE_RATING = "1500"
MENTIONED = 5
"""Findings spelled out in one line; the rest is a number."""

Key = TypeVar("Key", int, Total)


class Kind(Enum):
    """What is wrong."""

    LOST = "lost"
    """Something committed is not there, or something deleted still is."""
    TWICE = "twice"
    """Something is there more often than it happened."""
    WRONG = "wrong"
    """A sum or a rating is not what it should be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement."""

    kind: Kind
    where: str
    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.where}: {self.what}, {self.kind.value} {self.count}"


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit came to."""

    changes: int
    """Row changes that Postgres committed."""
    entries: int
    """Entries that stand in Postgres."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """No disagreement."""
        return not self.findings

    @property
    def lost(self) -> int:
        """Changes missing in the place that misses most; one lost row shows in several."""
        return self._most(Kind.LOST)

    @property
    def twice(self) -> int:
        """Changes too many in the place that has most of them."""
        return self._most(Kind.TWICE)

    @property
    def wrong(self) -> int:
        """By how much the sums of the worst place are off."""
        return self._most(Kind.WRONG)

    def _most(self, kind: Kind) -> int:
        by_place: Counter[str] = Counter()
        for finding in self.findings:
            if finding.kind is kind:
                by_place[finding.where] += finding.count
        return max(by_place.values(), default=0)

    def __str__(self) -> str:
        shown = [str(finding) for finding in self.findings[:MENTIONED]]
        more = len(self.findings) - len(shown)
        return "; ".join([*shown, *([f"and {more} more"] if more else [])]) or "no disagreement"


def audit(places: Places) -> Report:
    """Compare everything. What is under way between Postgres and the sinks shows as lost: let it arrive first."""
    postgres, clickhouse = places.postgres, places.clickhouse
    standing = truth.entries(postgres)
    ids = [entry for entries in standing.values() for entry in entries]
    expected = truth.totals(postgres)
    found = [
        *compare_rows(truth.rows(postgres), metric_rows(clickhouse)),
        *compare_sums("totals", expected, metric_totals(clickhouse, RAW_TOTALS)),
        *compare_sums("entries", dict.fromkeys(ids, 1), entry_totals(clickhouse)),
        *repeated(clickhouse),
        *compare_redis(places.redis, standing),
    ]
    by_crucible = {total: count for total, count in expected.items() if total.entity_type == "Crucible"}
    for view, query in VIEW_TOTALS.items():
        wanted = by_crucible if view == "crucible_stats" else expected
        found += compare_sums(view, wanted, metric_totals(clickhouse, query))
    return Report(truth.changes(postgres), len(ids), tuple(found))


def metric_rows(clickhouse: Client) -> Counter[Row]:
    """Each metric row and how often it is there."""
    return Counter({Row(*row): count for *row, count in clickhouse.query(RAW_ROWS).result_rows})


def metric_totals(clickhouse: Client, query: str) -> dict[Total, int]:
    """What metrics add up to, without those that are 0."""
    return {Total(*key): total for *key, total in clickhouse.query(query).result_rows if total}


def entry_totals(clickhouse: Client) -> dict[int, int]:
    """Entry -> how often it counts, without those that do not count."""
    return {key: total for key, total in clickhouse.query(RAW_ENTRIES).result_rows if total}


def repeated(clickhouse: Client) -> list[Finding]:
    """Rows of changes that are there more than once."""
    return [
        Finding(Kind.TWICE, "identities", f"{source} {key} {identity} row {index}", count - 1)
        for source, key, identity, index, count in clickhouse.query(REPEATED).result_rows
    ]


def compare_rows(expected: Mapping[Row, int], found: Mapping[Row, int]) -> list[Finding]:
    """Compare how often each row is there.

    >>> one, two = Row("Crucible", 5, 7, "Entry", 1), Row("Crucible", 5, 7, "Entry", -1)
    >>> [str(finding) for finding in compare_rows({one: 1, two: 1}, {one: 2})]
    ['rows: Crucible 5 7 Entry -1, lost 1', 'rows: Crucible 5 7 Entry 1, twice 1']
    """
    findings = []
    for row in sorted(expected.keys() | found.keys()):
        surplus = found.get(row, 0) - expected.get(row, 0)
        if surplus:
            kind = Kind.TWICE if surplus > 0 else Kind.LOST
            findings.append(Finding(kind, "rows", " ".join(map(str, row)), abs(surplus)))
    return findings


def compare_sums(where: str, expected: Mapping[Key, int], found: Mapping[Key, int]) -> list[Finding]:
    """Compare sums by key; a key that is absent has 0.

    >>> [str(finding) for finding in compare_sums("view", {5: 2}, {5: 1, 6: 3})]
    ['view: 5 is 1 instead of 2, wrong 1', 'view: 6 is 3 instead of 0, wrong 3']
    """
    findings = []
    for key in sorted(expected.keys() | found.keys()):
        should, does = expected.get(key, 0), found.get(key, 0)
        if does != should:
            name = " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
            findings.append(Finding(Kind.WRONG, where, f"{name} is {does} instead of {should}", abs(does - should)))
    return findings


def compare_redis(client: redis.Redis, standing: Mapping[int, set[int]]) -> list[Finding]:
    """Each entry that stands has its rating, 1500 as long as nobody voted; any other has none."""
    crucibles = sorted(standing)
    pipeline = client.pipeline(transaction=False)
    for crucible in crucibles:
        pipeline.hgetall(f"crucible:{crucible}:elo")
    findings = []
    for crucible, ratings in zip(crucibles, pipeline.execute(), strict=True):
        where = "redis"
        shown = {int(entry) for entry in ratings}
        findings += [
            Finding(Kind.LOST, where, f"crucible:{crucible}:elo lacks entry {entry}", 1)
            for entry in sorted(standing[crucible] - shown)
        ]
        findings += [
            Finding(Kind.LOST, where, f"crucible:{crucible}:elo keeps entry {entry}, which left", 1)
            for entry in sorted(shown - standing[crucible])
        ]
        findings += [
            Finding(Kind.WRONG, where, f"crucible:{crucible}:elo has entry {entry} at {rating}", 1)
            for entry, rating in sorted(ratings.items())
            if rating != BASE_RATING
        ]
    return findings
