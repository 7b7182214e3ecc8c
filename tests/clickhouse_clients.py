"""Clients of the tests' ClickHouse that are kept: making one costs 40 ms of processors, and asking a few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import clickhouse_connect

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from stack.endpoints import Endpoints


class ClickHouseClients:
    """One client a database, made when it is first asked for, and without a session, so that threads may share it.

    A client goes on after ClickHouse was killed and started again, as it connects anew.
    """

    def __init__(self, server: Endpoints) -> None:
        self._server = server
        self._made: dict[str, Client] = {}

    def of(self, database: str) -> Client:
        """The client of a database, which must exist."""
        if database not in self._made:
            self._made[database] = clickhouse_connect.get_client(
                host=self._server.clickhouse_host,
                port=self._server.clickhouse_port,
                username=self._server.clickhouse_user,
                password=self._server.clickhouse_password or "",
                database=database,
                autogenerate_session_id=False,
            )
        return self._made[database]

    def close(self) -> None:
        """Close them all."""
        for client in self._made.values():
            client.close()
        self._made.clear()
