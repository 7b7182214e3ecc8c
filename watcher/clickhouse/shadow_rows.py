"""Metric events beside their table: gathered to be compared with those that are there, seen by no view."""

from collections.abc import Mapping

from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.link import INSERT_SETTINGS, ClickHouseLink
from watcher.model.metric_rows import MetricRows


class ShadowRows:
    """A table of the same shape; for one thread.

    Args:
        name: of what the rows are, as a part of the table's name.
        link: connection.
        queries: the named queries.
    """

    def __init__(self, name: str, link: ClickHouseLink, queries: Mapping[str, str]) -> None:
        self.table = f"{CHANGES.name}_shadow_{name}"
        self._link, self._queries = link, queries

    def begin(self) -> None:
        """Make the table, and empty it of what an earlier run has left.

        Raises:
            TemporaryError: ClickHouse is away.
        """
        for query in ("make_shadow", "clear_shadow"):
            self._command(query)

    def add(self, rows: MetricRows) -> None:
        """Add rows; one that is added twice shows once to whoever compares.

        Raises:
            TemporaryError: ClickHouse is away.
        """
        if len(rows):
            with self._link.asking() as client:
                CHANGES.send(client, self.table, rows, INSERT_SETTINGS)

    def drop(self) -> None:
        """Drop the table, and close the connection.

        Raises:
            TemporaryError: ClickHouse is away; the next run empties what is left.
        """
        self._command("drop_shadow")
        self._link.close()

    def _command(self, query: str) -> None:
        with self._link.asking() as client:
            client.command(self._queries[query].replace("{table}", self.table))
