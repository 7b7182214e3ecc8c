"""Rows of ``entityMetricEvents`` by the batch: what is gathered and what a sink writes."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from watcher.model.metric_columns import CREATED_AT
from watcher.model.metric_row import MetricRow, packing, unpacked

MAX_RANGES = 16
"""Log ranges that one question to the sink may name. Fewer: an outlier drags in everything between; more: longer
SQL."""

NEAR_BYTES: Final = 1 << 28
"""Bytes of log, a quarter of a gibibyte, that are one range whatever the gaps: what lies in between is soon told."""


def month(milliseconds: int) -> str:
    """Return the month that a row belongs to, as in ``PARTITION BY toYYYYMM(createdAt)``.

    >>> month(1_760_000_000_123)
    '202510'
    """
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m")


def whole_month(milliseconds: int) -> range:
    """Return every millisecond of the month that this one is in: to ask of many whether they are in it too.

    >>> span = whole_month(1_760_000_000_123)
    >>> [month(ms) for ms in (span[0] - 1, span[0], span[-1], span[-1] + 1)]
    ['202509', '202510', '202510', '202511']
    """
    first = datetime.fromtimestamp(milliseconds / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + timedelta(days=31)).replace(day=1)
    return range(int(first.timestamp()) * 1000, int(after.timestamp()) * 1000)


class MetricRows:
    """Rows of a batch, each packed as soon as it is made.

    There are two for an event, and to keep their values as objects until they are sent would cost as much as decoding
    the event. Whoever wants rows one by one, in the rare cases, gets them.

    >>> rows = MetricRows([("User", 7, 7, "crucibleCount", 1, 0, "Crucible", 42, 4096, b"0123456789abcdef", 0)])
    >>> len(rows), list(rows.lsns), [row[0] for row in rows]
    (1, [4096], ['User'])
    """

    __slots__ = ("count", "lsns", "packed", "times")

    def __init__(self, rows: Iterable[MetricRow] = ()) -> None:
        self.packed = bytearray()
        """The rows in ClickHouse's input format RowBinary."""
        self.count = 0
        self.lsns = array("Q")
        """Where in the log their changes lie, each place at least once; some of changes that were refused."""
        self.times = array("q")
        """When their changes were committed, each time at least once; milliseconds since 1970. As above."""
        for entity_type, entity_id, user_id, metric_type, value, created_at, source, key, lsn, who, index in rows:
            pack = packing(entity_type, metric_type, source)
            self.packed += pack(entity_id, user_id, value, created_at, key, lsn, who, index)
            self.count += 1
            self.lsns.append(lsn)
            self.times.append(created_at)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[MetricRow]:
        return unpacked(bytes(self.packed))

    def by_month(self) -> Iterator[tuple[str, "MetricRows"]]:
        """Yield the rows by month, so that each part lands in one partition however the site has partitioned the table.

        An insert is atomic only as one block of one partition. Nearly always there is one month.
        """
        first, last = month(min(self.times)), month(max(self.times))
        if first == last:
            yield first, self
            return
        parts: dict[str, list[MetricRow]] = {}
        for row in self:
            parts.setdefault(month(row[CREATED_AT]), []).append(row)
        for name, part in sorted(parts.items()):
            yield name, MetricRows(part)


def log_ranges(lsns: Sequence[int], most: int = MAX_RANGES) -> list[tuple[int, int]]:
    """Return few ranges that hold all the log positions, at least one, cut at the widest gaps.

    >>> log_ranges([5, 9, 1 << 40], most=2)
    [(5, 9), (1099511627776, 1099511627776)]
    >>> log_ranges([7])
    [(7, 7)]
    """
    low, high = min(lsns), max(lsns)
    if high - low <= NEAR_BYTES:
        return [(low, high)]
    ordered = sorted(set(lsns))
    gaps = (
        sorted(range(1, len(ordered)), key=lambda at: ordered[at] - ordered[at - 1])[-(most - 1) :] if most > 1 else []
    )
    cuts = [0, *sorted(gaps), len(ordered)]
    return [(ordered[start], ordered[end - 1]) for start, end in pairwise(cuts)]
