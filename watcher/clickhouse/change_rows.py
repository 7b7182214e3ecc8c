"""The metric events of changes, as a planned insert has to know them."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.planned_table import Question
from watcher.model.metric_columns import PACKED_COLUMNS, SOURCE_ID
from watcher.model.metric_rows import MetricRows, log_ranges
from watcher.model.view_gaps import Key, contribution


class ChangeRows:
    """``entityMetricEvents``, written by whoever owns the partition that the changes came from."""

    name: Final = "entityMetricEvents"
    shared: Final = False
    views: Final[Mapping[str, str]] = dict.fromkeys(
        ("totals_by_metric", "totals_by_day", "totals_by_hour"), "totals_raw"
    )
    views_outlive_rows: Final = False

    def question(self, batches: Sequence[MetricRows]) -> Question:
        """Ask for the identities in few ranges of the log that hold all of the batches' changes."""
        ranges = log_ranges([*chain.from_iterable(rows.lsns for rows in batches)])
        condition = " OR ".join(
            f"sourceLsn BETWEEN {{low{at}:UInt64}} AND {{high{at}:UInt64}}" for at in range(len(ranges))
        )
        bounds = {f"low{at}": low for at, (low, _) in enumerate(ranges)}
        bounds |= {f"high{at}": high for at, (_, high) in enumerate(ranges)}
        return Question("present_identities", bounds, condition)

    def identities(self, columns: Sequence[Sequence[Any]]) -> set[bytes]:
        """Return the one column of the answer."""
        return set(columns[0]) if columns else set()

    def without(self, rows: MetricRows, identities: AbstractSet[bytes]) -> MetricRows:
        """Return the rows of other changes; unpacking them costs, so mostly the very same object."""
        return MetricRows(row for row in rows if row[SOURCE_ID] not in identities) if identities else rows

    def blocks(self, token: str, rows: MetricRows) -> Iterator[tuple[str, MetricRows]]:
        """Return the rows of each month, under the token with the month behind it."""
        for month, part in rows.by_month():
            yield f"{token}/{month}", part

    def send(self, client: Client, table: str, rows: MetricRows, settings: Mapping[str, Any]) -> None:
        """Insert the rows as they lie packed."""
        client.raw_insert(table, PACKED_COLUMNS, bytes(rows.packed), dict(settings), fmt="RowBinary")

    def contribution(self, rows: MetricRows) -> dict[Key, int]:
        """Return what the rows add to each metric of each entity."""
        return contribution(rows)


CHANGES: Final = ChangeRows()
