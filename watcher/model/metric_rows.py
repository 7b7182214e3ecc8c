"""Rows of ``entityMetricEvents``: what a batch holds and what a sink writes."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any, Final

MAX_RANGES = 16
"""Log ranges that one question to the sink may name. Fewer: an outlier drags in everything between; more: longer
SQL."""

NEAR: Final = 1 << 28
"""Bytes of log, a quarter of a gibibyte, that are one range whatever the gaps: what lies in between is soon told."""

MetricRow = tuple[str, int, int, str, int, int, str, int, int, bytes, int]
"""One row, in the order of ``COLUMNS``."""

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
INT32_COLUMNS: Final = (1, 2, 4)
CREATED_AT: Final = 5
SOURCE_LSN: Final = 8
SOURCE_ID: Final = 9


def month(milliseconds: int) -> str:
    """The month that a row belongs to, as in ``PARTITION BY toYYYYMM(createdAt)``.

    >>> month(1_760_000_000_123)
    '202510'
    """
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m")


def whole_month(milliseconds: int) -> range:
    """Every millisecond of the month that this one is in: to ask of many whether they are in it as well.

    >>> span = whole_month(1_760_000_000_123)
    >>> [month(ms) for ms in (span[0] - 1, span[0], span[-1], span[-1] + 1)]
    ['202509', '202510', '202510', '202511']
    """
    first = datetime.fromtimestamp(milliseconds / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + timedelta(days=31)).replace(day=1)
    return range(int(first.timestamp()) * 1000, int(after.timestamp()) * 1000)


class MetricRows:
    """Rows of a batch, laid end to end in one list.

    There are two for an event, and a tuple for each would cost as much as decoding the event; ClickHouse takes the
    values in just this order. Whoever wants rows one by one, in the rare cases, gets them.

    >>> rows = MetricRows([("User", 7, 7, "crucibleCount", 1, 0, "Crucible", 42, 4096, b"", 0)])
    >>> len(rows), rows.column(SOURCE_LSN), [row[0] for row in rows]
    (1, [4096], ['User'])
    """

    __slots__ = ("values",)

    def __init__(self, rows: Iterable[MetricRow] = ()) -> None:
        self.values: list[Any] = [*chain.from_iterable(rows)]
        """Every row's values, in the order of ``COLUMNS``."""

    def __len__(self) -> int:
        return len(self.values) // len(COLUMNS)

    def __iter__(self) -> Iterator[MetricRow]:
        return zip(*[iter(self.values)] * len(COLUMNS), strict=True)

    def column(self, at: int) -> list[Any]:
        """The values of one column."""
        return self.values[at :: len(COLUMNS)]

    def by_month(self) -> Iterator[tuple[str, "MetricRows"]]:
        """The rows, split so that each part lands in one partition however the site has partitioned the table.

        An insert is atomic only as one block of one partition. Nearly always there is one month.
        """
        created = self.column(CREATED_AT)
        first, last = month(min(created)), month(max(created))
        if first == last:
            yield first, self
            return
        parts: dict[str, list[MetricRow]] = {}
        for row in self:
            parts.setdefault(month(row[CREATED_AT]), []).append(row)
        for name, part in sorted(parts.items()):
            yield name, MetricRows(part)


def log_ranges(lsns: Sequence[int], most: int = MAX_RANGES) -> list[tuple[int, int]]:
    """Few ranges that hold all the log positions, at least one, cut at the widest gaps.

    >>> log_ranges([5, 9, 1 << 40], most=2)
    [(5, 9), (1099511627776, 1099511627776)]
    >>> log_ranges([7])
    [(7, 7)]
    """
    low, high = min(lsns), max(lsns)
    if high - low <= NEAR:
        return [(low, high)]
    ordered = sorted(set(lsns))
    gaps = (
        sorted(range(1, len(ordered)), key=lambda at: ordered[at] - ordered[at - 1])[-(most - 1) :] if most > 1 else []
    )
    cuts = [0, *sorted(gaps), len(ordered)]
    return [(ordered[start], ordered[end - 1]) for start, end in pairwise(cuts)]
