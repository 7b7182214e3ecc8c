"""How Python reads times that only PostgreSQL can hold; by itself the driver fails a whole answer for one."""

from datetime import UTC, date, datetime
from typing import Final, cast

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader


class _EndlessTimestamp(TimestampLoader):
    """Reads what PostgreSQL holds and Python does not: ``infinity`` and what is after the year 9999 as None, no end.

    What is before the year 1 is the first moment that Python has. By itself the driver fails the whole answer.
    """

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return datetime.min if _is_before_all(data) else cast("datetime", None)  # noqa: DTZ901 - it has none


class _EndlessTimestamptz(TimestamptzLoader):
    """Reads times with a time zone, as :class:`_EndlessTimestamp` does."""

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return datetime.min.replace(tzinfo=UTC) if _is_before_all(data) else cast("datetime", None)


class _EndlessDate(DateLoader):
    """Reads dates, as :class:`_EndlessTimestamp` reads times."""

    def load(self, data: Buffer) -> date:
        try:
            return super().load(data)
        except psycopg.DataError:
            return date.min if _is_before_all(data) else cast("date", None)


def _is_before_all(data: Buffer) -> bool:
    return bytes(data).startswith(b"-") or bytes(data).endswith(b"BC")


ADAPTATION: Final = AdaptersMap(psycopg.adapters)
"""How values of PostgreSQL become Python's."""
ADAPTATION.register_loader("timestamp", _EndlessTimestamp)
ADAPTATION.register_loader("timestamptz", _EndlessTimestamptz)
ADAPTATION.register_loader("date", _EndlessDate)
