"""Reads of the site's own tables for requests that come all at once: a pool of connections, one statement each."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Final, LiteralString, Self

import psycopg
import structlog
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from watcher.model.errors import RefusedError, TemporaryError
from watcher.model.words import counted
from watcher.postgres.connection import CONNECTING, PATIENCE_FACTOR, AsyncConnection, connection_string
from watcher.postgres.fair_queue import ASKER, FairQueue, QueueFullError
from watcher.postgres.faults import explained, refused_connection, refuses, said
from watcher.postgres.statement import limited

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 200
"""Requests that may wait for a connection. Above it one fails at once, not when nobody listens any more: one of the
user who has most of them."""
REFUSED_SECONDS: Final = 0.5
"""Seconds between two looks at why no connection comes. Longer: readiness is asked again before it can tell of a
password that is refused; shorter: a connection may be given up just while it is made."""
LOG_INTERVAL_SECONDS: Final = 1.0
"""Seconds between two lines about failures. Shorter: where thousands fail at once, writing that down is what stops the
loop."""
_CLOSING_SECONDS: Final = 1.0
"""Seconds that statements have to end when the pool is closed."""
# What the pool warns of is in our lines; it would say it for each of many attempts.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
Rows = list[dict[str, Any]]
Fetch = Callable[[LiteralString, Mapping[str, Any]], Awaitable[Rows]]
"""Returns the rows of one statement, as :meth:`SitePool.fetch` does. Raises ``TemporaryError``."""


class PoolBusyError(TemporaryError):
    """Raised when PostgreSQL answers, and too much is asked of it: by this user, or by everybody."""


class SitePool:
    """Connections of the event loop that opens it.

    Who waits, waits before the pool is touched, in turn with other users, and may be cancelled there. Whoever has a
    connection runs in a task of its own, which nobody cancels: the server ends a statement at its limit, and a server
    that falls silent is given up by the connection. So every connection comes back, whatever becomes of those who
    asked.

    Args:
        dsn: libpq's connection string.
        size: connections at most.
        timeout: seconds for an answer, what it takes to get a connection included.

    Raises:
        PostgresRefusedError: libpq cannot read the string.
    """

    def __init__(self, dsn: str, size: int, timeout: float) -> None:
        self._timeout = timeout
        self._queue = FairQueue(size, MAX_WAITING)
        self._answered_at = float("-inf")
        self._silent_until, self._unlogged = 0.0, 0
        self._unmade: psycopg.Error | None = None
        self._reading: set[asyncio.Task[Rows]] = set()
        self._pool = AsyncConnectionPool(
            connection_string(dsn, timeout, "crucible-api"),
            connection_class=_telling(self._note),
            kwargs=CONNECTING,
            configure=self._configure,
            min_size=1,
            max_size=size,
            open=False,
            timeout=timeout,
            reconnect_timeout=10.0,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reading:
            await asyncio.wait(self._reading, timeout=_CLOSING_SECONDS)
        await self._pool.close(timeout=_CLOSING_SECONDS)

    async def _configure(self, connection: AsyncConnection) -> None:
        connection.patience = self._timeout * PATIENCE_FACTOR

    def _note(self, fault: psycopg.Error | None) -> None:
        """Note why no connection can be made, or that one was: the pool tells those who wait only that none comes."""
        self._unmade = fault

    async def fetch(self, query: LiteralString, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Return the rows of one statement that changes nothing, for ``ASKER``.

        Raises:
            PoolBusyError: too many wait for it.
            RefusedError: a right, a table or a column is missing, or a password or name is refused.
            TemporaryError: PostgreSQL is away, too slow or refuses.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout
        asker = ASKER.get()
        await self._wait_for_place(asker, deadline)
        reading = asyncio.ensure_future(self._read(query, parameters, deadline))
        self._reading.add(reading)
        reading.add_done_callback(partial(self._left, asker))
        # Neither this timeout nor a cancellation of the caller ends the task.
        done, _ = await asyncio.wait([reading], timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        if not done:
            raise self._no_connection(f"no answer within {self._timeout:g} s")
        try:
            return reading.result()
        except PoolTimeout as error:
            raise self._no_connection(f"no connection within {self._timeout:g} s") from error
        except psycopg.Error as error:
            if refuses(error):
                self._log("neighbour.refuses", said(error))
                raise RefusedError(f"postgres: {said(error)}") from error
            self._away(f"{type(error).__name__}: {said(error)}")
            raise TemporaryError(f"postgres: {type(error).__name__}") from error

    async def _wait_for_place(self, asker: int, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._queue.enter(asker)
        except QueueFullError:
            raise self._busy() from None
        except TimeoutError:
            if asyncio.get_running_loop().time() - self._answered_at < self._timeout:
                raise self._busy() from None
            raise self._no_connection(f"no connection within {self._timeout:g} s") from None

    async def _read(self, query: LiteralString, parameters: Mapping[str, Any] | None, deadline: float) -> Rows:
        """Return the rows of a statement, read on one of the connections, which then goes back; never cancelled."""
        now = asyncio.get_running_loop().time
        connection = await self._connection(deadline)
        try:
            async with psycopg.AsyncClientCursor(connection, row_factory=dict_row) as cursor:
                await cursor.execute(limited(query, deadline - now(), read_only=True), parameters)
                await cursor.set_result(-1)
                self._answered_at = now()
                return await cursor.fetchall()
        finally:
            await self._pool.putconn(connection)

    async def _connection(self, deadline: float) -> AsyncConnection:
        """Return a connection, which has to be given back; one that is refused for good is not waited for.

        Raises:
            PoolTimeout: there is none.
        """
        now = asyncio.get_running_loop().time
        while True:
            left = max(0.0, deadline - now())
            try:
                return await self._pool.getconn(min(left, REFUSED_SECONDS))
            except PoolTimeout:
                if left <= REFUSED_SECONDS or (self._unmade is not None and refused_connection(self._unmade)):
                    raise

    def _left(self, asker: int, reading: "asyncio.Task[Rows]") -> None:
        self._queue.leave(asker)
        self._reading.discard(reading)
        if not reading.cancelled():
            reading.exception()  # whoever asked may be gone

    def _no_connection(self, otherwise: str) -> TemporaryError:
        """Return the error of a connection that did not come, and log it: why none can be made, if that is known."""
        fault = self._unmade
        if fault is not None and (refusal := refused_connection(fault)):
            self._log("neighbour.refuses", refusal)
            return RefusedError(f"postgres: {refusal}")
        return self._away(otherwise if fault is None else explained(fault))

    def _away(self, why: str) -> TemporaryError:
        """Return the error of a server that does not answer, and log it."""
        self._log("neighbour.away", why)
        return TemporaryError(f"postgres: {why}")

    def _busy(self) -> PoolBusyError:
        """Return the error of a server that is asked too much, and log it."""
        why = f"waiting for a connection: {counted(self._queue.waiting, 'question')}"
        self._log("neighbour.busy", why)
        return PoolBusyError(f"postgres: {why}")

    def _log(self, event: str, why: str) -> None:
        """Log a failure, unless another one was logged just now."""
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            log.warning(event, neighbour="postgres", error=why, unlogged=self._unlogged)
            self._silent_until, self._unlogged = now + LOG_INTERVAL_SECONDS, 0
        else:
            self._unlogged += 1


def _telling(note: Callable[[psycopg.Error | None], None]) -> type[AsyncConnection]:
    """Return connections that tell why they could not be made, and nothing once they are."""

    class Telling(AsyncConnection):
        """A connection of the pool's, which tells how the attempt to make it ended."""

        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Self:
            """Return a connection, or tell why there is none."""
            try:
                made = await super().connect(conninfo, **options)
            except psycopg.OperationalError as error:
                note(error)
                raise
            note(None)
            return made

    return Telling
