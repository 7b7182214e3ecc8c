"""The types of the columns that rows go to without saying what they are.

RowBinary is bytes and no types: a column of another width has them read as something else, which fails at best.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from clickhouse_connect.driver.client import Client

from watcher.model.errors import StopError

EXPECTED: Final[Mapping[str, str]] = {
    "entityType": "String",
    "entityId": "Int32",
    "userId": "Int32",
    "metricType": "String",
    "metricValue": "Int32",
    "createdAt": "DateTime64(3)",
    "source": "String",
    "sourceKey": "Int64",
    "sourceLsn": "UInt64",
    "sourceId": "FixedString(16)",
    "sourceIndex": "UInt8",
}
"""What ``watcher.model.metric_row`` packs, by column of ``entityMetricEvents``."""
_SAME_BYTES: Final = (
    (re.compile(r"^LowCardinality\((String)\)$"), r"\1"),
    (re.compile(r"^(DateTime64\(3), '[^']*'\)$"), r"\1)"),
)
"""Types that RowBinary writes alike: a dictionary is the column's own matter, a time zone is for reading."""


class ColumnTypeError(StopError):
    """A table has columns of other types than the rows that would be sent to it."""


def check_types(client: Client) -> None:
    """Let a table pass that takes our rows for what they are.

    Raises:
        ColumnTypeError: names each column that is different, and how to mend it.
    """
    if found := list(differences(client)):
        raise ColumnTypeError("; ".join(found) + ". Nothing is written until then: run it, then start again")


def differences(client: Client) -> Iterator[str]:
    """What is different, a sentence a column; nothing for a table that is not there."""
    rows = client.query(
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'entityMetricEvents'"
    ).result_rows
    types = {str(name): str(kind) for name, kind in rows}
    for column, expected in EXPECTED.items():
        if column not in types:
            continue  # migrations are pending, and whoever asks for those says so
        found = types[column]
        for pattern, same in _SAME_BYTES:
            found = pattern.sub(same, found)
        if found != expected:
            yield (
                f"entityMetricEvents.{column} is {types[column]}, expected {expected}: ALTER TABLE entityMetricEvents "
                f"MODIFY COLUMN {column} {expected}"
            )
