"""The widths of the columns that a row's values end up in. A value outside is a named error for that record."""

from typing import Annotated

import msgspec

INT32_MAX = 2**31 - 1

Id = Annotated[int, msgspec.Meta(ge=1, le=INT32_MAX)]
"""An id that becomes an ``Int32`` in ClickHouse (``entityId``, ``userId``)."""

RowId = Annotated[int, msgspec.Meta(ge=1, le=INT32_MAX)]
"""A row's own key; entries are ``UInt32`` in the votes table and ``integer`` in PostgreSQL, so Int32 holds both."""

Milliseconds = Annotated[int, msgspec.Meta(ge=-2_208_988_800_000, le=10_413_791_999_999)]
"""Milliseconds since 1970 that fit ``DateTime64``: years 1900 to 2299."""

Microseconds = Annotated[int, msgspec.Meta(ge=-2_208_988_800_000_000, le=10_413_791_999_999_999)]
"""Microseconds since 1970, for the same years."""

Lsn = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A byte position in PostgreSQL's write-ahead log. Redis' scripts know numbers as doubles, which hold 53 bits: a log of
eight pebibytes, where the largest sites write some tens of tebibytes a year."""
