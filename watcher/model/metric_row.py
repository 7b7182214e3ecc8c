"""A row of ``entityMetricEvents``: its columns, and its bytes as ClickHouse's input format RowBinary has them.

RowBinary is the values of a row one after the other: a text is its length (LEB128) and UTF-8, a number little-endian
in the width of its column, ``DateTime64(3)`` milliseconds in 64 bits.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from struct import Struct
from typing import TypeVar

from watcher.model.metric_columns import NUMBERS, TEXTS

MetricRow = tuple[str, int, int, str, int, int, str, int, int, bytes, int]
"""One row, in the order of :data:`watcher.model.metric_columns.COLUMNS`."""

Pack = Callable[[int, int, int, int, int, int, bytes, int], bytes]
"""From what follows the texts in ``PACKED_COLUMNS`` to a row's bytes. Raises struct.error for a number that its column
cannot hold."""

Packs = Mapping[str, Mapping[str, Pack]]
"""By entity type and metric type."""
T = TypeVar("T")


@cache
def packing(entity_type: str, metric_type: str, source: str) -> Pack:
    r"""Return what packs the rows of one metric and source table; made once, for it is called once a row.

    >>> packing("User", "crucibleCount", "Crucible")(7, 7, 1, 0, 42, 4096, b"0123456789abcdef", 0)[:19]
    b'\x04User\rcrucibleCount'
    """
    texts = b"".join(_length(len(text)) + text for text in map(str.encode, (entity_type, metric_type, source)))
    return partial(Struct(f"<{len(texts)}s{NUMBERS.format[1:]}").pack, texts)


class _Made(dict[str, T]):
    """Makes what is asked for and not there yet."""

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make

    def __missing__(self, name: str) -> T:
        made = self[name] = self._make(name)
        return made


def packs_of(source: str) -> Packs:
    """Return what packs rows of a source table: two lookups a row, where a cached call costs three times as much."""
    return _Made(lambda entity_type: _Made(lambda metric_type: packing(entity_type, metric_type, source)))


def unpacked(data: bytes) -> Iterator[MetricRow]:
    """Yield the rows that were packed, one by one.

    >>> row = ("User", 7, 7, "crucibleCount", 1, 0, "Crucible", 42, 4096, b"0123456789abcdef", 0)
    >>> list(unpacked(packing("User", "crucibleCount", "Crucible")(7, 7, 1, 0, *row[7:]))) == [row]
    True
    """
    at = 0
    while at < len(data):
        texts = []
        for _ in range(TEXTS):
            size, at = _read_length(data, at)
            texts.append(data[at : at + size].decode())
            at += size
        entity_id, user_id, value, created_at, *origin = NUMBERS.unpack_from(data, at)
        at += NUMBERS.size
        entity_type, metric_type, source = texts
        yield (entity_type, entity_id, user_id, metric_type, value, created_at, source, *origin)


def _length(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + _length(number >> 7)


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    """Return the number, and where it ends."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    rest, at = _read_length(data, at + 1)
    return byte & 0x7F | rest << 7, at
