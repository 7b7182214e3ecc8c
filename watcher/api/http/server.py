"""The HTTP server: uvicorn, with bounds on what a client may send and how long it may take.

uvicorn bounds neither headers nor time: a client that sends header after header would fill the memory, one that sends
nothing, or takes nothing, would keep its connection for ever.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from watcher.api.http.problem import ProblemError

LARGEST_HEAD: Final = 16_384
"""Bytes of a request's address and headers."""
PATIENCE: Final = 10.0
"""Seconds for a request to arrive whole, and for a client to take what is sent to it."""
KEEP_ALIVE: Final = 75
"""Seconds for which a connection is kept between two requests; above the 60 of usual balancers in front."""
CONNECTIONS: Final = 20_000
"""Connections, where the kernel allows as many (see ``descriptors.py``); above it a request is answered 503 and its
connection closed."""
BACKLOG: Final = 4_096
"""Connections that the kernel holds until we take them; its own limit is lower on most machines."""
QUEUED: Final = 8
"""Requests that may wait behind the one that a connection is answered before it is read no further."""
SWEEP: Final = 1.0
"""Seconds between two looks for clients that are out of patience."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _head = 0
    _since = 0.0
    """When the request under way began to arrive; 0 when none is."""
    _stuck = 0.0
    """Since when the client has not taken what was sent; 0 when it does."""
    _heard = False
    """Whether the parser had something to say of the piece that arrived last."""
    _silent = 0
    """Bytes since the parser last said something."""
    _last = False
    """Whether the request that arrived last is the connection's last: nothing behind it is read as another."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        # uvicorn's own refusal is plain text and does not say when to come back.
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self._served = self.app
        self._under_way: list[RequestResponseCycle] = []

    def connection_made(self, transport: Any) -> None:
        """A client is there; it should say something soon."""
        super().connection_made(transport)
        self._since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went: whoever answers it hears of it, not only whoever answers its last request."""
        super().connection_lost(exc)
        for cycle in self._under_way:
            if not cycle.response_complete:
                cycle.disconnected = True
            cycle.message_event.set()
        self._under_way.clear()

    def data_received(self, data: bytes) -> None:
        """A piece arrives.

        The parser tells of a header when it is complete, and keeps it until then: one without end is never counted in
        ``on_header``. The same goes for a trailer, and for what follows a chunk's length.
        """
        if self._last:
            return
        self._heard = False
        super().data_received(data)
        self._silent = 0 if self._heard else self._silent + len(data)
        if self._silent > LARGEST_HEAD and not self.transport.is_closing():
            with suppress(HeadTooLargeError):
                self._refuse()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._heard = True
        self._head = 0
        self._since = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Part of the address."""
        self._heard = True
        self._head += len(url)
        if self._head > LARGEST_HEAD:
            self._refuse()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._heard = True
        self._head += len(name) + len(value) + 4
        if self._head > LARGEST_HEAD:
            self._refuse()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request begins to be answered."""
        self._heard = True
        full = self._most is not None and len(self.connections) > self._most
        upgrade = self.parser.should_upgrade()
        self.app = _overloaded if full else _upgraded_body if upgrade and _has_body(self.headers) else self._served
        super().on_headers_complete()
        self._under_way = [cycle for cycle in self._under_way if not cycle.response_complete]
        self._under_way.append(self.cycle)
        if 1 < len(self._under_way) <= QUEUED:
            self.flow.resume_reading()  # else nobody would notice that the client of a stream went
        if upgrade:
            # The parser takes what follows for another protocol and passes the body over; were it given the rest of
            # that body, it would read it as a request of its own.
            self._last = True
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Part of the body; how much of it is taken is for the route to say."""
        self._heard = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._since = 0.0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        self._stuck = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client takes it."""
        self._stuck = 0.0
        super().resume_writing()

    def look(self, now: float) -> None:
        """Cut off a client that is out of patience."""
        waiting = self._since if self.parser is not None else 0.0
        if (waiting and now - waiting > PATIENCE) or (self._stuck and now - self._stuck > PATIENCE):
            self.transport.abort()

    def _refuse(self) -> None:
        """Answer, close, and have the parser stop."""
        if self.transport.is_closing():
            raise HeadTooLargeError
        problem = ProblemError("headers_too_large", f"{LARGEST_HEAD} bytes are allowed")
        body = problem.body()
        head = [b"HTTP/1.1 431 Request Header Fields Too Large\r\n"]
        headers = [*problem.headers(), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        head += [b"%s: %s\r\n" % one for one in headers]
        self.transport.write(b"".join([*head, b"\r\n", body]))
        self.transport.close()
        raise HeadTooLargeError

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing is wrong: a server may answer as if no upgrade had been asked for."""

    def send_400_response(self, msg: str) -> None:
        """A request that is no HTTP, in the words of all our problems."""
        if self.transport.is_closing():
            return
        body = ProblemError("bad_request", msg).body()
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        self.transport.close()


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a body follows these headers."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b" \t0")) for name, value in headers
    )


async def _overloaded(_: Any, __: Any, send: Any) -> None:
    """Answers a client for whom there is no room."""
    await _send_and_close(ProblemError("overloaded"), send)


async def _upgraded_body(_: Any, __: Any, send: Any) -> None:
    """Answers a request whose body the parser passed over."""
    await _send_and_close(ProblemError("bad_request", "a request with a body cannot ask for an upgrade"), send)


async def _send_and_close(problem: ProblemError, send: Any) -> None:
    body = problem.body()
    headers = [*problem.headers(), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class HeadTooLargeError(Exception):
    """Stops the parser."""


class ApiServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process decides when it ends.

    Args:
        app: the ASGI application.
        listening: a socket that listens.
        seconds_left: how long what is under way may take, asked when the server stops.
        stopping: called when it begins to stop, before connections are waited for.
        connections: clients at a time.
    """

    def __init__(
        self,
        app: Any,
        listening: socket.socket,
        *,
        seconds_left: Callable[[], float],
        stopping: Callable[[], None],
        connections: int = CONNECTIONS,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE,
                limit_concurrency=connections,
                backlog=BACKLOG,
            )
        )
        self._listening, self._on_stopping, self._seconds_left = listening, stopping, seconds_left
        self._swept: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Begin to stop; may be called from a signal handler or another thread."""
        self.should_exit = True

    async def serve(self, sockets: Any = None) -> None:
        """Serve until :meth:`stop`."""
        await self._serve(sockets or [self._listening])

    async def startup(self, sockets: Any = None) -> None:
        """Begin to take connections."""
        await super().startup(sockets)
        self._swept = asyncio.create_task(self._sweep())

    async def shutdown(self, sockets: Any = None) -> None:
        """Let what is under way come to its end."""
        self._on_stopping()
        self.config.timeout_graceful_shutdown = self._seconds_left()  # type: ignore[assignment] # a float will do
        await super().shutdown(sockets)
        if self._swept is not None:
            self._swept.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.look(now)
