"""A client for the migrations, whose errors say what to do."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError
from clickhouse_connect.driver.httpclient import HttpClient
from urllib3 import Timeout

from watcher.clickhouse.client import reason
from watcher.migrations.ledger import MigrationError
from watcher.model.errors import TemporaryError

__all__ = ["Client", "migration_client"]

PATIENCE_SECONDS: Final = 24 * 3600.0
"""Seconds for one statement: a fill of a large table takes its time, and giving up would not stop it."""


@contextmanager
def migration_client(connect: Callable[[], Client], patience: float = PATIENCE_SECONDS) -> Iterator[Client]:
    """Give a client for the length of the block.

    Args:
        connect: makes the client.
        patience: seconds to wait for the answer to one statement.

    Raises:
        TemporaryError: ClickHouse does not answer.
        MigrationError: ClickHouse refuses a statement.
    """
    logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # what it warns of is raised as well
    client: Client | None = None
    try:
        client = connect()
        if isinstance(client, HttpClient):
            client.timeout = Timeout(connect=client.timeout.connect_timeout, read=patience)
        try:
            yield client
        finally:
            client.close()
    except (OperationalError, OSError) as error:
        raise TemporaryError(f"clickhouse does not answer: {reason(error, str(getattr(client, 'url', '')))}") from error
    except DatabaseError as error:
        said = str(error).partition("server response: ")[2] or str(error)
        raise MigrationError(
            f"clickhouse: {said.split(' (for url')[0].strip()}\nWhat was done stays done: see "
            "`crucible migrate status`, and run `crucible migrate up` again when the cause is gone"
        ) from error
    except ClickHouseError as error:
        raise MigrationError(f"clickhouse: {error}") from error
