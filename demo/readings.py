"""One look at the pipeline: the watcher's metrics, and the stores by queries of our own."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from demo.places import UNREACHABLE, Places
from stack.probe import http_text

COUNT_CHANGES = "SELECT count(*) FROM site_change_log"
COUNT_ENTRIES = 'SELECT count(*) FROM "CrucibleEntry"'
COUNT_ADMITTED = "SELECT count(*), coalesce(sum(fee), 0) FROM crucible_watcher.entry_verdict WHERE verdict = 'admitted'"
COUNT_ROWS = (
    "SELECT count(), sumIf(metricValue, entityType = 'Crucible' AND metricType = 'Entry') FROM entityMetricEvents"
)
COUNT_VOTES = "SELECT count() FROM crucible_entry_rating WHERE vote_seq > 0"
CRUCIBLES = 'SELECT id FROM "Crucible"'


@dataclass(frozen=True, slots=True)
class StoreReadings:
    """What the three stores hold."""

    changes: int
    """Row changes that Postgres committed."""
    entries: int
    """Entries in Postgres."""
    rows: int
    """Rows of ``entityMetricEvents``."""
    counted: int
    """Entries by ClickHouse's count."""
    rated: int
    """Entries with a rating in Redis."""
    votes: int
    """Votes in ClickHouse."""
    voted: int
    """Votes in Redis, by the last number of each crucible that is there."""
    admitted: int = 0
    """Entries that take part."""
    pool: int = 0
    """Buzz of all pools."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """What the watcher says of itself."""

    consumed: int
    applied: int
    ignored: int
    dead: int
    repeated: int
    lag: int
    votes: int = 0
    """Votes that counted."""
    refused: int = 0
    """Votes that were refused."""
    freshness: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Sink -> p50 and p99 in seconds, upper edges of the histogram's buckets."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at one moment; None for what did not answer."""

    at: float
    stores: StoreReadings | None
    watcher: Watcher | None


def read(places: Places, ops_port: int) -> Reading:
    """Look once. Something away is no error here: the board shows that it is away."""
    return Reading(time.monotonic(), _stores(places), _watcher(ops_port))


def _stores(places: Places) -> StoreReadings | None:
    try:
        changes, entries = (places.postgres.execute(query).fetchone() for query in (COUNT_CHANGES, COUNT_ENTRIES))
        admitted = places.postgres.execute(COUNT_ADMITTED).fetchone() or (0, 0)
        rows, counted = places.clickhouse.query(COUNT_ROWS).result_rows[0]
        votes = places.clickhouse.query(COUNT_VOTES).result_rows[0][0]
        pipeline = places.redis.pipeline(transaction=False)
        for (crucible,) in places.postgres.execute(CRUCIBLES):
            pipeline.hlen(f"crucible:{crucible}:elo")
            pipeline.hget(f"{{crucible:{crucible}:elo}}:state", "seq")
        said = pipeline.execute()
        rated, voted = sum(said[::2]), sum(int(number or 0) for number in said[1::2])
    except UNREACHABLE:
        return None
    return StoreReadings(
        changes[0] if changes else 0, entries[0] if entries else 0, int(rows), int(counted), rated, int(votes), voted,
        admitted=int(admitted[0]), pool=int(admitted[1]),
    )  # fmt: skip


def _watcher(ops_port: int) -> Watcher | None:
    text = http_text(ops_port, "/metrics")
    return None if text is None else parse(text_string_to_metric_families(text))


def parse(families: Iterable[Metric]) -> Watcher:
    """Read the few metrics that the board shows."""
    sums: dict[str, float] = {}
    voted: dict[str, int] = {}
    buckets: dict[str, dict[float, float]] = {}
    for family in families:
        for sample in family.samples:
            if sample.name == "crucible_votes_total":
                voted[sample.labels["outcome"]] = int(sample.value)
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
            if sample.name == "crucible_freshness_seconds_bucket":
                edges = buckets.setdefault(sample.labels["sink"], {})
                edge = float(sample.labels["le"])
                edges[edge] = edges.get(edge, 0.0) + sample.value
    return Watcher(
        consumed=int(sums.get("crucible_events_consumed_total", 0)),
        applied=int(sums.get("crucible_events_applied_total", 0)),
        ignored=int(sums.get("crucible_events_ignored_total", 0)),
        dead=int(sums.get("crucible_dlq_events_total", 0)),
        repeated=int(sums.get("crucible_identities_repeated_total", 0)),
        lag=int(sums.get("crucible_consumer_lag_messages", 0)),
        votes=voted.get("ok", 0),
        refused=sum(count for outcome, count in voted.items() if outcome not in {"ok", "repeated"}),
        freshness={
            sink: (quantile(edges, 0.50), quantile(edges, 0.99))
            for sink, edges in sorted(buckets.items())
            if edges.get(float("inf"))
        },
    )


def quantile(edges: dict[float, float], share: float) -> float:
    """Upper edge of the bucket that holds the quantile.

    >>> quantile({0.1: 90, 0.3: 98, 1.0: 100, float("inf"): 100}, 0.5)
    0.1
    >>> quantile({0.1: 90, 0.3: 98, 1.0: 100, float("inf"): 100}, 0.99)
    1.0
    """
    wanted = share * edges[float("inf")]
    return min(edge for edge, count in edges.items() if count >= wanted)
