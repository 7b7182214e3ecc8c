"""Checks the types of the columns that rows are sent to, because rows do not say what they are.

RowBinary is bytes and no types: a column of another width has them read as something else, which fails at best.
"""

import re
from collections.abc import Iterator
from typing import Final

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.queries import queries
from watcher.model.errors import UnfitError
from watcher.model.metric_columns import METRIC_COLUMNS

_SAME_BYTES: Final = (
    (re.compile(r"^LowCardinality\((String)\)$"), r"\1"),
    (re.compile(r"^(DateTime64\(3), '[^']*'\)$"), r"\1)"),
)
"""Types that RowBinary writes alike: a dictionary is the column's own matter, a time zone is for reading."""


class ColumnTypeError(UnfitError):
    """Raised when a table has columns of other types than the rows that would be sent to it."""


def check_types(client: Client) -> None:
    """Check that ClickHouse would take our rows for what they are.

    Raises:
        ColumnTypeError: names each column that is different, and how to mend it.
    """
    if found := list(differences(client)):
        raise ColumnTypeError("; ".join(found) + ". Nothing is written until then: run it, then start again")


def differences(client: Client) -> Iterator[str]:
    """Return a sentence for each column that is different; none for a table that is not there."""
    rows = client.query(queries()["metric_column_types"]).result_rows
    types = {str(name): str(kind) for name, kind in rows}
    for column in METRIC_COLUMNS:
        found = types.get(column.name)
        if found is None:
            continue  # migrations are pending, and whoever asks for those says so
        expected = _bytes(column.type)
        if _bytes(found) != expected:
            yield (
                f"entityMetricEvents.{column.name} is {found}, expected {expected}: ALTER TABLE entityMetricEvents "
                f"MODIFY COLUMN {column.name} {expected}"
            )


def _bytes(kind: str) -> str:
    """Return what a type's values are in RowBinary, as the simplest type that is written alike.

    >>> _bytes("LowCardinality(String)"), _bytes("DateTime64(3, 'Asia/Tokyo')"), _bytes("Int32")
    ('String', 'DateTime64(3)', 'Int32')
    """
    for pattern, same in _SAME_BYTES:
        kind = pattern.sub(same, kind)
    return kind
