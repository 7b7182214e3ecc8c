"""The columns of ``entityMetricEvents`` that rows are sent to: the one place that names them.

What is sent, how it is packed and which types a table must have is derived from this list.
"""

from struct import Struct
from typing import Final, NamedTuple

TEXT: Final = ""
"""How a column packs whose values are texts: its length and its bytes, see :mod:`watcher.model.metric_row`."""


class Column(NamedTuple):
    """A column of the table: its name, and its type for ClickHouse and for packing."""

    name: str
    type: str
    """As ClickHouse names it."""
    packs: str
    """Its code for the module struct, or ``TEXT``."""


METRIC_COLUMNS: Final = (
    Column("entityType", "LowCardinality(String)", TEXT),
    Column("entityId", "Int32", "i"),
    Column("userId", "Int32", "i"),
    Column("metricType", "LowCardinality(String)", TEXT),
    Column("metricValue", "Int32", "i"),
    Column("createdAt", "DateTime64(3)", "q"),  # commit time in milliseconds since 1970
    Column("source", "LowCardinality(String)", TEXT),  # table that the change was made in
    Column("sourceKey", "Int64", "q"),  # primary key of the row that changed
    Column("sourceLsn", "UInt64", "Q"),
    Column("sourceId", "FixedString(16)", "16s"),  # identity of the change
    Column("sourceIndex", "UInt8", "B"),  # which row of the change this is, from 0
)

_TEXTS: Final = tuple(column for column in METRIC_COLUMNS if column.packs is TEXT)
_NUMBERS: Final = tuple(column for column in METRIC_COLUMNS if column.packs is not TEXT)

COLUMNS: Final = tuple(column.name for column in METRIC_COLUMNS)
"""The order of a :data:`watcher.model.metric_row.MetricRow`."""
TYPES: Final = tuple(column.type for column in METRIC_COLUMNS)
PACKED_COLUMNS: Final = tuple(column.name for column in (*_TEXTS, *_NUMBERS))
"""The order of a packed row: first the texts, which all rows of a metric have in common."""
TEXTS: Final = len(_TEXTS)
"""How many of them are texts."""
NUMBERS: Final = Struct("<" + "".join(column.packs for column in _NUMBERS))
"""The others, one after the other."""
CREATED_AT: Final = 5
SOURCE: Final = 6
SOURCE_KEY: Final = 7
SOURCE_LSN: Final = 8
SOURCE_ID: Final = 9
"""Where a row has them; said as numbers, so that a type checker knows what is there."""
