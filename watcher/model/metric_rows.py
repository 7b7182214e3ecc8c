"""Rows of ``entityMetricEvents``: what a batch holds and what a sink writes."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

MAX_RANGES = 16
"""Log ranges that one question to the sink may name. Fewer: an outlier drags in everything between; more: longer
SQL."""

NEAR: Final = 1 << 28
"""Bytes of log, a quarter of a gibibyte, that are one range whatever the gaps: what lies in between is soon told."""

MetricRow = tuple[str, int, int, str, int, int, str, int, int, bytes, int]
"""One row, in the order of ``COLUMNS``. A plain tuple, because there are two for an event and naming the fields of each
costs three times as much as making it; a batch is read by column anyway."""

COLUMNS = (
    "entityType",
    "entityId",
    "userId",
    "metricType",
    "metricValue",
    "createdAt",  # commit time in milliseconds since 1970
    "source",  # table that the change was made in
    "sourceKey",  # primary key of the row that changed
    "sourceLsn",
    "sourceId",  # identity of the change
    "sourceIndex",  # which row of the change this is, from 0
)
CREATED_AT: Final = 5
SOURCE_LSN: Final = 8
SOURCE_ID: Final = 9


def month(milliseconds: int) -> str:
    """The month that a row belongs to, as in ``PARTITION BY toYYYYMM(createdAt)``.

    >>> month(1_760_000_000_123)
    '202510'
    """
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m")


def by_month(rows: list[MetricRow]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The rows by column, split so that each part lands in one partition however the site has partitioned the table.

    An insert is atomic only as one block of one partition. Nearly always there is one month.
    """
    columns = list(zip(*rows, strict=True))
    first, last = month(min(columns[CREATED_AT])), month(max(columns[CREATED_AT]))
    if first == last:
        yield first, columns
        return
    parts: dict[str, list[MetricRow]] = {}
    for row in rows:
        parts.setdefault(month(row[CREATED_AT]), []).append(row)
    for name, part in sorted(parts.items()):
        yield name, list(zip(*part, strict=True))


def log_ranges(lsns: Iterable[int], most: int = MAX_RANGES) -> list[tuple[int, int]]:
    """Few ranges that hold all the log positions, cut at the widest gaps.

    >>> log_ranges([5, 9, 1 << 40], most=2)
    [(5, 9), (1099511627776, 1099511627776)]
    >>> log_ranges([7])
    [(7, 7)]
    """
    distinct = set(lsns)
    low, high = min(distinct), max(distinct)
    if high - low <= NEAR:
        return [(low, high)]
    ordered = sorted(distinct)
    gaps = (
        sorted(range(1, len(ordered)), key=lambda at: ordered[at] - ordered[at - 1])[-(most - 1) :] if most > 1 else []
    )
    cuts = [0, *sorted(gaps), len(ordered)]
    return [(ordered[start], ordered[end - 1]) for start, end in pairwise(cuts)]
