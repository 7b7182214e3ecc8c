"""A connection to ClickHouse that is made when it is needed and made anew after a fault."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, ProgrammingError

from watcher.clickhouse.client import fault

INSERT_SETTINGS: Final[dict[str, Any]] = {
    "async_insert": 0,  # the server must have the rows when it answers
    "deduplicate_blocks_in_dependent_materialized_views": 1,  # each view tells a repeated token for itself
    "max_insert_block_size": 2_000_000,  # one block, hence atomic
    "min_insert_block_size_rows": 2_000_000,
    "min_insert_block_size_bytes": 1_000_000_000,
    "max_insert_threads": 1,
}
READ_SETTINGS: Final[dict[str, Any]] = {"select_sequential_consistency": 1}


class ClickHouseLink:
    """Holds one client, for one thread at a time.

    Args:
        connect: makes a client; called again after a failure, because the old connection's state is unknown.
    """

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._client: Client | None = None

    def client(self) -> Client:
        """Return the client, made now if there is none."""
        if self._client is None:
            self._client = self._connect()
        return self._client

    @contextmanager
    def asking(self) -> Iterator[Client]:
        """Give the client for a block; whatever it raises there leaves open what came of the request.

        Raises:
            RefusedError: the server says no.
            TemporaryError: the server is away; ask what is there before sending again.
        """
        try:
            yield self.client()
        except ProgrammingError:
            self.close()
            raise  # we called the client wrongly; asking again would go on for ever
        except (ClickHouseError, OSError) as error:
            url = str(getattr(self._client, "url", ""))
            self.close()
            raise fault(error, url) from error

    def close(self) -> None:
        """Close the connection to the neighbour."""
        if self._client is not None:
            self._client.close()
            self._client = None
