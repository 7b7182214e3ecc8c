"""Reads of the site's own tables for requests that come all at once: a pool of connections, one question each."""

import asyncio
import re
from collections.abc import Mapping
from importlib.resources import files
from types import TracebackType
from typing import Any, Final, LiteralString, Self, cast

import psycopg
import structlog
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from watcher.model.errors import TemporaryError
from watcher.postgres.session import readable

log = structlog.get_logger(__name__)

_HEADER: Final = re.compile(r"^-- (?P<name>\w+) --$", re.MULTILINE)
MAX_WAITING: Final = 200
"""Requests that may wait for a connection. Above it one fails at once, not when nobody listens any more."""

FAREWELL: Final = 5.0
"""Seconds for the server to say that it dropped a question that took too long; then the connection is given up."""


def named_queries(file: str) -> dict[str, LiteralString]:
    """The queries of one of this folder's files, by the name in their header."""
    pieces = _HEADER.split(files("watcher.postgres.site").joinpath(file).read_text(encoding="utf-8"))
    return {name: cast("LiteralString", text.strip()) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


class SitePool:
    """Connections of the event loop that opens it.

    Args:
        dsn: libpq's connection string.
        size: connections at most.
        timeout: seconds for a connection, and for a statement.
    """

    def __init__(self, dsn: str, size: int, timeout: float) -> None:
        self._timeout = timeout
        self._ending: set[asyncio.Task[None]] = set()
        self._pool = AsyncConnectionPool(
            readable(dsn),
            min_size=1,
            max_size=size,
            open=False,
            timeout=timeout,
            max_waiting=MAX_WAITING,
            reconnect_timeout=10.0,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": max(2, round(timeout)),
                "application_name": "crucible-api",
                "tcp_user_timeout": max(1_000, round(timeout * 2_000)),
                "options": f"-c statement_timeout={max(1, round(timeout * 1000))} -c default_transaction_read_only=on",
            },
        )

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close(timeout=1.0)

    async def fetch(self, query: LiteralString, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of one statement.

        Raises:
            TemporaryError: PostgreSQL is away, too slow or refuses.
        """
        asking = asyncio.ensure_future(self._fetch(query, parameters))
        try:
            done, _ = await asyncio.wait([asking], timeout=self._timeout)
        except asyncio.CancelledError:
            self._abandon(asking)
            raise
        if not done:
            self._abandon(asking)
            log.warning("neighbour.away", neighbour="postgres", error=f"no answer within {self._timeout:g} s")
            raise TemporaryError(f"postgres: no answer within {self._timeout:g} s")
        try:
            return asking.result()
        except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
            detail = str(error).strip().partition("\n")[0]
            log.warning("neighbour.away", neighbour="postgres", error=f"{type(error).__name__}: {detail}")
            raise TemporaryError(f"postgres: {type(error).__name__}") from error

    async def _fetch(self, query: LiteralString, parameters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, parameters)
            return cast("list[dict[str, Any]]", await cursor.fetchall())

    def _abandon(self, asking: "asyncio.Task[list[dict[str, Any]]]") -> None:
        """Nobody waits for this any more. The server is asked to drop it, and has some seconds to say so."""
        ending = asyncio.ensure_future(_end(asking))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


async def _end(asking: "asyncio.Task[list[dict[str, Any]]]") -> None:
    """Cancel it twice: the first time the driver asks the server to cancel and waits; the second time it gives up."""
    asking.cancel()
    await asyncio.wait([asking], timeout=FAREWELL)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
