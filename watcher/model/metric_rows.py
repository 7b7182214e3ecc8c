"""Rows of ``entityMetricEvents``: what a batch holds and what a sink writes."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

MAX_RANGES = 16
"""Log ranges that one question to the sink may name. Fewer: an outlier drags in everything between; more: longer SQL."""


class MetricRow(NamedTuple):
    """One row, in the order of the table's columns."""

    entity_type: str
    entity_id: int
    user_id: int
    metric_type: str
    metric_value: int
    created_at: int
    """Commit time in milliseconds since 1970."""
    source: str
    """Table that the change was made in."""
    source_key: int
    """Primary key of the row that changed."""
    source_lsn: int
    source_id: bytes
    """Identity of the change."""
    source_index: int
    """Which row of the change this is, from 0."""


COLUMNS = (
    "entityType",
    "entityId",
    "userId",
    "metricType",
    "metricValue",
    "createdAt",
    "source",
    "sourceKey",
    "sourceLsn",
    "sourceId",
    "sourceIndex",
)


def month(milliseconds: int) -> str:
    """The month that a row belongs to, as in ``PARTITION BY toYYYYMM(createdAt)``.

    >>> month(1_760_000_000_123)
    '202510'
    """
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m")


def by_month(rows: list[MetricRow]) -> Iterator[tuple[str, list[MetricRow]]]:
    """The rows, split so that each part lands in one partition of the table however the site has partitioned it.

    An insert is atomic only as one block of one partition. Nearly always there is one month.
    """
    times = [row.created_at for row in rows]
    first, last = month(min(times)), month(max(times))
    if first == last:
        yield first, rows
        return
    for name, part in groupby(sorted(rows, key=lambda row: month(row.created_at)), lambda row: month(row.created_at)):
        yield name, list(part)


def log_ranges(lsns: Iterable[int], most: int = MAX_RANGES) -> list[tuple[int, int]]:
    """Few ranges that hold all the log positions, cut at the widest gaps.

    >>> log_ranges([5, 6, 9, 1000, 1001], most=2)
    [(5, 9), (1000, 1001)]
    >>> log_ranges([7])
    [(7, 7)]
    """
    ordered = sorted(set(lsns))
    gaps = sorted(range(1, len(ordered)), key=lambda at: ordered[at] - ordered[at - 1])[-(most - 1) :] if most > 1 else []
    cuts = [0, *sorted(gaps), len(ordered)]
    return [(ordered[start], ordered[end - 1]) for start, end in zip(cuts, cuts[1:], strict=False)]
