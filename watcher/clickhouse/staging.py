"""Rows brought into a table past its views, which had them from an insert whose part the table has lost."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Generic

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import INSERT_SETTINGS
from watcher.clickhouse.planned_table import IdentityT, PlannedTable, RowsT


class Staging(Generic[RowsT, IdentityT]):
    """Inserts rows into a table of the same shape, and gives its part to the table: that fires no view.

    Where several may do this at once the rows are staged as one part under the token, and a part is moved once. Whoever
    is alone stages them anew and attaches them.

    Args:
        table: where to.
        queries: the named queries.
    """

    def __init__(self, table: PlannedTable[RowsT, IdentityT], queries: Mapping[str, str]) -> None:
        self._table, self._queries = table, queries

    def bring(self, client: Client, token: str, rows: RowsT, before_send: Callable[[], None]) -> None:
        """Bring in rows that the table has lost.

        Args:
            client: asks.
            token: of the plan that the rows are of.
            rows: those that are not there.
            before_send: called before anything is staged, and right before each part that is given.

        Raises:
            clickhouse_connect.driver.exceptions.ClickHouseError: the server is away, or refuses.
        """
        shared, queries = self._table.shared, self._queries
        before_send()
        name = self._name(token)
        client.command(self._filled("create_staging", name))
        if shared:
            self._table.send(client, name, rows, {**INSERT_SETTINGS, "insert_deduplication_token": token})
        else:
            client.command(self._filled("clear_staging", name))
            self._table.send(client, name, rows, INSERT_SETTINGS)
        for (partition,) in client.query(queries["staged_partitions"], parameters={"staging_name": name}).result_rows:
            before_send()
            client.command(self._filled("move_staged" if shared else "attach_staged", name, partition))
        # A shared one stays: somebody slower than us would make it anew, and stage and move the rows once more.
        done = [old for (old,) in client.query(queries["old_staging"]).result_rows] if shared else [name]
        for one in done:
            client.command(self._filled("drop_staging", one))

    def _name(self, token: str) -> str:
        infix = "vote_staging" if self._table.shared else "staging"
        return f"{self._table.name}_{infix}_{blake2b(token.encode(), digest_size=8).hexdigest()}"

    def _filled(self, query: str, staging: str, partition: str = "") -> str:
        text = self._queries[query].replace("{staging}", staging).replace("{table}", self._table.name)
        return text.replace("{partition}", f"'{partition}'")
