"""Finds changes whose metric events are in ClickHouse more than once."""

from collections.abc import Collection

import msgspec

from watcher.clickhouse.reads import ClickHouseReads


class TwiceReport(msgspec.Struct, frozen=True):
    """Events of one source table that are there more than once."""

    source: str
    rows: int
    keys: tuple[int, ...]
    """Keys of some of the rows that they are of."""
    counted_right: bool = False
    """All rows of the table count for what they should all the same: one came twice and went twice, say."""


def events_twice(reads: ClickHouseReads, right: Collection[str] = ()) -> list[TwiceReport]:
    """Return, by source table, events that are there more than once.

    They are put right by their rows, which count for too much because of them: see ``rows/differences.py``.

    Args:
        reads: asks ClickHouse.
        right: tables of which every row was found to count for what it should.

    Raises:
        TemporaryError: ClickHouse is away.
    """
    return [
        TwiceReport(str(source), int(rows), tuple(keys), str(source) in right)
        for source, rows, keys in reads("events_twice", {})
    ]
