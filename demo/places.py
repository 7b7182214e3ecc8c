"""Connections of the audit and the board to PostgreSQL, ClickHouse and Redis: their own, not the watcher's."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import clickhouse_connect
import psycopg
import redis
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

UNREACHABLE = (psycopg.Error, ClickHouseError, redis.RedisError, OSError)
"""What any of the three may raise when its server is away or not ready."""


class StoreAddresses(Protocol):
    """Where the three are; ``stack.endpoints.Endpoints`` says it."""

    @property
    def postgres_dsn(self) -> str | None:
        """Connection string of libpq."""

    @property
    def redis_url(self) -> str | None:
        """Address of Redis, ``redis://host:port/database``."""

    @property
    def clickhouse_host(self) -> str | None:
        """Host of ClickHouse's HTTP interface."""

    @property
    def clickhouse_port(self) -> int | None:
        """Port of ClickHouse's HTTP interface."""

    @property
    def clickhouse_user(self) -> str | None:
        """User who may read ClickHouse's tables."""

    @property
    def clickhouse_password(self) -> str | None:
        """Password of that user."""

    @property
    def clickhouse_database(self) -> str | None:
        """Database with the tables."""


@dataclass(frozen=True, slots=True)
class Places:
    """One connection to each. Not for several threads."""

    postgres: psycopg.Connection[Any]
    clickhouse: Client
    redis: redis.Redis

    @classmethod
    def at(cls, addresses: StoreAddresses) -> Self:
        """Connect to all three."""
        return cls(
            psycopg.connect(addresses.postgres_dsn or "", autocommit=True),
            clickhouse_connect.get_client(
                host=addresses.clickhouse_host or "127.0.0.1",
                port=addresses.clickhouse_port or 8123,
                username=addresses.clickhouse_user,
                password=addresses.clickhouse_password or "",
                database=addresses.clickhouse_database or "default",
                autogenerate_session_id=False,  # no state on the server, so a restart of it goes unnoticed
            ),
            redis.Redis.from_url(addresses.redis_url or "redis://127.0.0.1:6379/0", decode_responses=True),
        )

    def close(self) -> None:
        """Close the connections to all three."""
        self.postgres.close()
        self.clickhouse.close()
        self.redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
