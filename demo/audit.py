"""Compares PostgreSQL, ClickHouse, Redis and Buzz by queries of its own; it shares no line with the watcher."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import redis
from clickhouse_connect.driver.client import Client

from demo import truth, vote_audit, vote_truth
from demo.disagreement import Disagreement, Kind, compare_sums
from demo.endings import ending_audit
from demo.entries import buzz_books, money_audit, verdict_audit
from demo.judges import ledger
from demo.places import Places
from demo.told import told_audit
from demo.told.heard import Ears
from demo.truth import ExpectedRow, ExpectedTotal
from demo.vote_truth import ExpectedStanding

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
REPAIRED = "SELECT uniqExact(source, sourceKey) FROM entityMetricEvents WHERE source != '' AND sourceIndex >= 128"
"""A change's first metric event is number 0, a repair's 128."""
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

MENTIONED_FINDINGS = 5
"""Findings spelled out in one line; the rest is a number."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit came to."""

    changes: int
    """Row changes that Postgres committed."""
    entries: int
    """Entries that stand in Postgres."""
    votes: int
    """Votes that ClickHouse holds."""
    findings: tuple[Disagreement, ...]
    admitted: int = 0
    """Entries that take part."""
    rejected: int = 0
    """Entries that break a rule."""
    refunded: int = 0
    """Fees that went back."""
    settled: int = 0
    """Crucibles that have a result."""
    paid: int = 0
    """Prizes that were paid."""
    cancelled: int = 0
    """Crucibles that gave everything back."""
    repaired: int = 0
    """Rows whose counts were put right."""

    @property
    def ok(self) -> bool:
        """Return whether all places agree: there is no finding."""
        return not self.findings

    @property
    def lost(self) -> int:
        """Return how many changes are missing in the place that misses most; one lost row shows in several."""
        return self._most(Kind.LOST)

    @property
    def twice(self) -> int:
        """Return how many changes are too many in the place that has most of them."""
        return self._most(Kind.TWICE)

    @property
    def wrong(self) -> int:
        """Return by how much the sums of the worst place are off."""
        return self._most(Kind.WRONG)

    def _most(self, kind: Kind) -> int:
        by_place: Counter[str] = Counter()
        for finding in self.findings:
            if finding.kind is kind:
                by_place[finding.where] += finding.count
        return max(by_place.values(), default=0)

    def __str__(self) -> str:
        shown = [str(finding) for finding in self.findings[:MENTIONED_FINDINGS]]
        more = len(self.findings) - len(shown)
        return "; ".join([*shown, *([f"and {more} more"] if more else [])]) or "no disagreement"


def audit(
    places: Places, answers: Path | None = None, buzz_url: str | None = None, ears: Ears | None = None
) -> AuditReport:
    """Compare everything. What is under way between Postgres and the sinks shows as lost: let it arrive first.

    Args:
        places: where to look.
        answers: the ledger of those who voted; None if nobody kept one.
        buzz_url: address of the Buzz service's double; None where nobody decides entries and collects their fees, and
            neither verdicts nor money are looked at.
        ears: hears what users and other services are told; None where nobody listens.

    Raises:
        OSError: the Buzz service, or who was told, is away.
    """
    postgres, clickhouse = places.postgres, places.clickhouse
    standing = truth.entries(postgres)
    votes = vote_truth.numbered(clickhouse)
    voted = vote_truth.standings(votes)
    ids = [entry for entries in standing.values() for entry in entries]
    expected = truth.totals(postgres)
    found = [
        *compare_rows(truth.rows(postgres), metric_rows(clickhouse)),
        *compare_sums("totals", expected, metric_totals(clickhouse, RAW_TOTALS)),
        *compare_sums("entries", dict.fromkeys(ids, 1), entry_totals(clickhouse)),
        *repeated(clickhouse),
        *compare_redis(places.redis, standing, voted, truth.over(postgres)),
        *vote_audit.numbering(votes),
        *vote_audit.ratings(voted),
        *vote_audit.redis(places.redis, standing, voted),
        *vote_audit.events(clickhouse, voted),
        *vote_audit.views(clickhouse, voted),
    ]
    if answers is not None:
        told = ledger.read(answers)
        found += vote_audit.answers(told, votes)
        found += vote_audit.shown(postgres, told.shown)
    by_crucible = {total: count for total, count in expected.items() if total.entity_type == "Crucible"}
    for view, query in VIEW_TOTALS.items():
        wanted = by_crucible if view == "crucible_stats" else expected
        found += compare_sums(view, wanted, metric_totals(clickhouse, query))
    repaired = int(clickhouse.query(REPAIRED).result_rows[0][0])
    if buzz_url is None:
        return AuditReport(truth.changes(postgres), len(ids), len(votes), tuple(found), repaired=repaired)
    books = buzz_books.read(buzz_url)
    found += verdict_audit.opinions(postgres, voted)
    found += verdict_audit.counts(postgres, clickhouse)
    found += money_audit.compare(postgres, clickhouse, books)
    found += ending_audit.compare(postgres, books, voted)
    if ears is not None:
        found += told_audit.compare(postgres, books, ears.listen())
    verdicts = verdict_audit.tally(postgres)
    settled, cancelled = ending_audit.tally(postgres)
    return AuditReport(
        truth.changes(postgres), len(ids), len(votes), tuple(found),
        admitted=verdicts.get("admitted", 0), rejected=verdicts.get("rejected", 0), refunded=len(books.refunds),
        settled=settled, paid=len(ending_audit.prizes(books)), cancelled=cancelled,
        repaired=repaired,
    )  # fmt: skip


def metric_rows(clickhouse: Client) -> Counter[ExpectedRow]:
    """Return each metric row and how often it is there."""
    return Counter({ExpectedRow(*row): count for *row, count in clickhouse.query(RAW_ROWS).result_rows})


def metric_totals(clickhouse: Client, query: str) -> dict[ExpectedTotal, int]:
    """Return what metrics add up to, without those that are 0."""
    return {ExpectedTotal(*key): total for *key, total in clickhouse.query(query).result_rows if total}


def entry_totals(clickhouse: Client) -> dict[int, int]:
    """Return how often each entry counts, without those that do not count."""
    return {key: total for key, total in clickhouse.query(RAW_ENTRIES).result_rows if total}


def repeated(clickhouse: Client) -> list[Disagreement]:
    """Return the rows of changes that are there more than once."""
    return [
        Disagreement(Kind.TWICE, "identities", f"{source} {key} {identity} row {index}", count - 1)
        for source, key, identity, index, count in clickhouse.query(REPEATED).result_rows
    ]


def compare_rows(expected: Mapping[ExpectedRow, int], found: Mapping[ExpectedRow, int]) -> list[Disagreement]:
    """Compare how often each row is there.

    >>> one, two = ExpectedRow("Crucible", 5, 7, "Entry", 1), ExpectedRow("Crucible", 5, 7, "Entry", -1)
    >>> [str(finding) for finding in compare_rows({one: 1, two: 1}, {one: 2})]
    ['rows: Crucible 5 7 Entry -1, lost 1', 'rows: Crucible 5 7 Entry 1, twice 1']
    """
    findings = []
    for row in sorted(expected.keys() | found.keys()):
        surplus = found.get(row, 0) - expected.get(row, 0)
        if surplus:
            kind = Kind.TWICE if surplus > 0 else Kind.LOST
            findings.append(Disagreement(kind, "rows", " ".join(map(str, row)), abs(surplus)))
    return findings


def compare_redis(
    client: redis.Redis,
    standing: Mapping[int, set[int]],
    voted: Mapping[int, ExpectedStanding],
    over: Collection[int] = (),
) -> list[Disagreement]:
    """Return where an entry that stands has not the rating of its votes, or 1500, and where any other has one.

    Of a crucible that is over nothing may be shown at all: so it is where that was so before anybody had seen it.
    """
    crucibles = sorted(standing)
    pipeline = client.pipeline(transaction=False)
    for crucible in crucibles:
        pipeline.hgetall(f"crucible:{crucible}:elo")
    findings = []
    for crucible, ratings in zip(crucibles, pipeline.execute(), strict=True):
        where, key = "redis", f"crucible:{crucible}:elo"
        shown = {int(entry): int(rating) for entry, rating in ratings.items()}
        there = standing[crucible] if ratings or crucible not in over else set[int]()
        due = voted[crucible].ratings if crucible in voted else {}
        findings += [
            Disagreement(Kind.LOST, where, f"{key} lacks entry {entry}", 1) for entry in sorted(there - shown.keys())
        ]
        findings += [
            Disagreement(Kind.LOST, where, f"{key} keeps entry {entry}, which left", 1)
            for entry in sorted(shown.keys() - there)
        ]
        findings += [
            Disagreement(Kind.WRONG, where, f"{key} has entry {entry} at {rating} instead of {should}", 1)
            for entry, rating in sorted(shown.items())
            if rating != (should := due.get(entry, vote_truth.BASE))
        ]
    return findings
