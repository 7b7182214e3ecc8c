"""The HTTP server of the API: uvicorn, with bounds on what a client may send and how long it may take."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import structlog
import uvicorn

from watcher.api.http.asgi import Application
from watcher.api.http.connections import Connections
from watcher.api.http.later import Bursts
from watcher.api.http.uvicorn_internals import MAX_HEAD_BYTES, BoundedProtocol, unheard

log = structlog.get_logger(__name__)

KEEP_ALIVE_SECONDS: Final = 75
"""Seconds for which a connection is kept between two requests; above the 60 of usual balancers in front."""
BACKLOG_CONNECTIONS: Final = 4_096
"""Connections that the kernel holds until we take them; its own limit is lower on most machines."""
SWEEP_SECONDS: Final = 1.0
"""Seconds between two looks for clients that are too slow."""
TICK_SECONDS: Final = 1.0
"""Seconds from one header ``Date`` to the next, which tells whole ones."""


class ApiServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when it ends.

    Args:
        app: the ASGI application.
        listening: a socket that listens.
        seconds_left: how long what is under way may take, asked when the server stops.
        stopping: called when it begins to stop, before connections are waited for.
        connections: those that are kept, see ``connections.py``.
        max_head_bytes: of a request's address and headers.
        refused: told of the status of what is refused before it is a request.
    """

    def __init__(
        self,
        app: Application,
        listening: socket.socket,
        *,
        seconds_left: Callable[[], float],
        stopping: Callable[[], None],
        connections: Connections,
        max_head_bytes: int = MAX_HEAD_BYTES,
        refused: Callable[[int], None] = unheard,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http=partial(BoundedProtocol, connections, Bursts(), max_head_bytes, refused),  # type: ignore[arg-type] # any factory will do
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                backlog=BACKLOG_CONNECTIONS,
            )
        )
        self._kept = connections
        self._listening, self._on_stopping, self._seconds_left = listening, stopping, seconds_left
        self._sweeping: asyncio.Task[None] | None = None
        self._wake: Callable[[], object] = _nobody

    def stop(self) -> None:
        """Begin to stop; may be called from a signal handler or another thread."""
        self.should_exit = True
        with suppress(RuntimeError):  # the loop is closed: it has stopped
            self._wake()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    async def serve(self, sockets: Any = None) -> None:
        """Serve clients until :meth:`stop` is called."""
        await super().serve(sockets or [self._listening])

    async def startup(self, sockets: Any = None) -> None:
        """Begin to take connections, and to look for slow ones."""
        await super().startup(sockets)
        self._sweeping = asyncio.create_task(self._sweep())

    async def main_loop(self) -> None:
        """Wait until asked to stop; meanwhile tick once a second, where the base class wakes up ten times for it."""
        stopped = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, stopped.set)
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await stopped.wait()

    async def shutdown(self, sockets: Any = None) -> None:
        """Let what is under way come to its end."""
        self._on_stopping()
        self.config.timeout_graceful_shutdown = self._seconds_left()  # type: ignore[assignment] # a float will do
        await super().shutdown(sockets)
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _sweep(self) -> None:
        given_up = 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.abort_if_too_slow(now)
            if self._kept.given_up > given_up:
                log.warning("connections.full", given_up=self._kept.given_up - given_up)
                given_up = self._kept.given_up


def _nobody() -> None:
    """Wake nobody: the server has not begun."""
