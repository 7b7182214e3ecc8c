"""Questions to ClickHouse from several threads at once, each with a connection of its own."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import READ_SETTINGS, ClickHouseLink


class ClickHouseReads:
    """Asks named queries; for any number of threads.

    Args:
        connect: makes a client; called once a thread, and again after a failure.
        queries: by name.
    """

    def __init__(self, connect: Callable[[], Client], queries: Mapping[str, str]) -> None:
        self._connect, self._queries = connect, queries
        self._own = threading.local()

    def __call__(
        self, query: str, parameters: dict[str, Any], *, table: str = "", column: str = "", expression: str = ""
    ) -> Sequence[Sequence[Any]]:
        """Return the rows of a named query.

        Args:
            query: its name.
            parameters: its values.
            table: name of our own that stands in the place of ``{table}``, if it has one.
            column: name of one that stands in the place of ``{column}``.
            expression: of the server's own tables, that stands in the place of ``{expression}``.

        Raises:
            TemporaryError: ClickHouse is away.
        """
        with self._link().asking() as client:
            text = self._queries[query].replace("{table}", table).replace("{column}", column)
            text = text.replace("{expression}", expression)
            return client.query(text, parameters=parameters, settings=READ_SETTINGS).result_rows

    def ping(self) -> None:
        """Wait until the server answers.

        Raises:
            TemporaryError: it does not.
        """
        with self._link().asking() as client:
            client.command(self._queries["ping"])

    def try_writing(self) -> None:
        """Find whether what the watcher writes could be written, and what it needs be read; nothing is.

        Raises:
            RefusedError: the server does not let us.
            TemporaryError: it does not answer.
        """
        with self._link().asking() as client:
            for name in ("changes_writable", "votes_writable"):
                client.command(self._queries[name], settings={"async_insert": 0})

    def _link(self) -> ClickHouseLink:
        """Return the calling thread's own connection."""
        link: ClickHouseLink | None = getattr(self._own, "link", None)
        if link is None:
            link = self._own.link = ClickHouseLink(self._connect)
        return link
