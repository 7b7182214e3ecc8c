"""Everything that hangs on the inside of uvicorn, which may change with any of its versions.

Two things are not to be had from outside. uvicorn bounds neither headers nor time: a client that sends header after
header would fill the memory, one that sends nothing, or takes nothing, would keep its connection for ever. And it takes
head and body of an answer as two messages and looks at every character of every header for what must not be in one;
ours are made here, of numbers and constants, and there is one of them a vote.

``tests/unit/api/test_uvicorn_internals.py`` names each thing that is relied on, so that an upgrade that takes one away
fails with a sentence instead of in production.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from watcher.api.http.asgi import Application, Header, Receive, Scope, Send
from watcher.api.http.connections import Connections
from watcher.api.http.host import host_fault
from watcher.api.http.later import Bursts
from watcher.api.http.problem import ProblemError

MAX_HEAD_BYTES: Final = 16_384
"""Bytes of a request's address and headers, unless the server says otherwise. Smaller: the site's cookies beside a
token would not fit."""
PATIENCE_SECONDS: Final = 10.0
"""Seconds for a request to arrive whole, and for a client to take what is sent to it. Shorter: slow lines are cut off;
longer: clients that only hold connections hold more of them."""
MAX_QUEUED_REQUESTS: Final = 8
"""Requests that may wait behind the one that a connection is answered before it is read no further. Each is some
kilobytes."""
MIN_PIECE_BYTES: Final = 64
"""Bytes of the pieces in which requests that came together are read, at least, so that no more than four are read
beyond the bound. Smaller: what looks like many heads and is a body costs more."""

_HEAD_END: Final = b"\r\n\r\n"
"""The end of every head; the parser takes no other."""
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_LINE: Final = b"%b: %b\r\n"
_OF_UPGRADES: Final = frozenset({b"upgrade", b"http2-settings"})
"""Headers, and options of ``Connection``, with which a client asks for another protocol."""
_CLOSE: Final = b"connection: close\r\n"


def sent_in_one_write(send: Send, status: int, headers: Sequence[Header], body: bytes) -> bool:
    """Send an answer at once, if nothing stands between us and the server, and the client takes what it is sent.

    Args:
        send: of the ASGI application; anything but the server's own is left alone.
        status: HTTP status.
        headers: all but date and connection, safe as they are.
        body: as long as the headers say.

    Returns:
        Whether it was sent; if not, nothing was, and ``send`` has to be used.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.response_started or cycle.scope["method"] == "HEAD":
        return False
    if cycle.flow.write_paused or cycle.disconnected or cycle.transport.is_closing():
        return False
    head = [STATUS_LINE[status], *map(_LINE.__mod__, cycle.default_headers), *map(_LINE.__mod__, headers)]
    if _CLOSE in head:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        head.append(_CLOSE)
    head += (b"\r\n", body)
    cycle.transport.write(b"".join(head))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def unheard(_: int) -> None:
    """Tell nobody of a refusal."""


class BoundedFlow(FlowControl):
    """Reads a client no further while more of its requests wait than may."""

    held = False

    def resume_reading(self) -> None:
        """Read on, unless it is held."""
        if not self.held:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """A connection of one client, with bounds on what it may send and how long it may take.

    Args:
        kept: the connections of the process.
        bursts: of the process, which are begun later.
        max_head_bytes: of a request's address and headers.
        refused: told of the status of what is refused before it is a request.
        options: what uvicorn makes a connection with.
    """

    _head_bytes = 0
    _request_since = 0.0
    """When the request under way began to arrive; 0 when none is."""
    _write_blocked_since = 0.0
    """Since when the client has not taken what was sent; 0 when it does."""
    _parser_spoke = False
    """Whether the parser had something to say of the piece that arrived last."""
    _is_head_complete = False
    """Whether the headers of the request under way are there: what comes as headers from then on are trailers."""
    _bytes_in_silence = 0
    """Bytes since the parser last said something."""
    _had_last_request = False
    """Whether the request that arrived last is the connection's last: nothing behind it is read as another."""
    _is_upgrade_with_body = False
    """Whether the request under way asks for another protocol and has a body."""
    _is_new = True
    """Whether no request of the connection was begun yet."""
    _is_next_pipelined = False
    """Whether a request that is begun now came before the one before it was answered."""
    _has_room = True
    """Whether the connection is one of those that there is room for."""
    _unread = b""
    """What came and is not read yet, because too many requests wait; empty unless reading is held."""
    flow: BoundedFlow

    def __init__(
        self,
        kept: Connections,
        bursts: Bursts,
        max_head_bytes: int = MAX_HEAD_BYTES,
        refused: Callable[[int], None] = unheard,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._kept, self._bursts, self._max_head_bytes, self._refused = kept, bursts, max_head_bytes, refused
        self._served: Application = self.app
        self._under_way: list[RequestResponseCycle] = []

    def connection_made(self, transport: Any) -> None:
        """Begin to count the time of a client that has connected: it should say something soon."""
        super().connection_made(transport)
        self.flow = BoundedFlow(transport)
        self._request_since = self.loop.time()
        self._has_room = self._kept.enter(self, self.client[0] if self.client else "")

    def give_up(self) -> None:
        """End the connection at once: another takes its place."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever answers the client that it went, and not only whoever answers its last request."""
        under_way, self.cycle = self.cycle, None  # type: ignore[assignment] # whoever answers it is told below
        super().connection_lost(exc)
        self.cycle = under_way
        self._kept.leave(self, self.client[0] if self.client else "")
        for cycle in self._under_way:
            if not cycle.response_complete:
                cycle.disconnected = True
            self._bursts.goodbyes.do(cycle.message_event.set)
        self._under_way.clear()
        self._unread = b""

    def data_received(self, data: bytes) -> None:
        """Take a piece of what the client sends.

        However many requests are in it, some are begun and the rest waits, unread, until those are answered. Bytes that
        begin no request give nobody more time: see ``on_message_begin``.

        Each head has two line ends at least, and these are counted in no time; most pieces have one request.
        """
        if self._had_last_request or self.transport.is_closing():
            return
        if self._unread:
            self._unread += data
        elif (
            data.count(b"\n") > 2 * (room := MAX_QUEUED_REQUESTS - len(self.pipeline)) and data.count(_HEAD_END) > room
        ):
            self._unread = data
            self._read_on()
        else:
            self._take(data)

    def _read_on(self) -> None:
        """Read what came, until as many requests wait as may, and hold reading while something is left."""
        unread, at = self._unread, 0
        while at < len(unread) and len(self.pipeline) < MAX_QUEUED_REQUESTS:
            if self._had_last_request or self.transport.is_closing():
                at = len(unread)
                break
            end = unread.find(_HEAD_END, at + MIN_PIECE_BYTES)
            piece = unread[at : len(unread) if end < 0 else end + len(_HEAD_END)]
            at += len(piece)
            self._take(piece)
        self._unread = unread[at:]
        if self._unread:
            self.flow.held = True
            self.flow.pause_reading()
        elif self.flow.held:
            self.flow.held = False
            if self._request_since:
                self._request_since = self.loop.time()  # the time before was ours
            if len(self.pipeline) < MAX_QUEUED_REQUESTS and not self.transport.is_closing():
                self.flow.resume_reading()

    def _take(self, data: bytes) -> None:
        """Have the parser read a piece.

        It tells of a header when it is complete, and keeps it until then: one without end is never counted in
        ``on_header``. The same goes for a trailer, and for what follows a chunk's length.
        """
        self._parser_spoke = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as upgrade:  # a server may answer as if none had been asked for
            if self._is_upgrade_with_body:
                self._is_upgrade_with_body = False
                self._take_without_upgrade(data[upgrade.args[0] :])
        self._bytes_in_silence = 0 if self._parser_spoke else self._bytes_in_silence + len(data)
        if self._bytes_in_silence > self._max_head_bytes and not self.transport.is_closing():
            with suppress(HeadTooLargeError):
                self._refuse_head()

    def _take_without_upgrade(self, behind: bytes) -> None:
        """Have a request read again without its wish for another protocol, which its body would have been taken for.

        Java's ``HttpClient`` asks for HTTP/2 with its first request, also with one that has a body.

        Args:
            behind: what came behind its headers.
        """
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", self.parser.get_http_version().encode(), b"\r\n"]
        for name, given in self.headers:
            value = given
            if name == b"connection":
                options = (one.strip() for one in given.split(b","))
                value = b", ".join(one for one in options if one.lower() not in _OF_UPGRADES)
            if name not in _OF_UPGRADES and value:
                head.append(_LINE % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self._take(b"".join([*head, b"\r\n", behind]))

    def on_message_begin(self) -> None:
        """Take the beginning of a request, which ends the time between two; empty lines before it do not."""
        self._parser_spoke = True
        self._head_bytes = 0
        self._is_head_complete = False
        self._request_since = self.loop.time()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take part of the address."""
        self._parser_spoke = True
        self._head_bytes += len(url)
        if self._head_bytes > self._max_head_bytes:
            self._refuse_head()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header of the request; a trailer is counted and nothing else, for nobody is to take it for one."""
        self._parser_spoke = True
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._max_head_bytes:
            self._refuse_head()
        if not self._is_head_complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer the request."""
        self._parser_spoke = self._is_head_complete = True
        self._unset_keepalive_if_required()
        upgrade = self.parser.should_upgrade()
        self._is_upgrade_with_body = upgrade and _has_body(self.headers)
        if self._is_upgrade_with_body:
            return  # the parser is about to pass the body over; see _take_without_upgrade
        self.app = self._application()
        super().on_headers_complete()
        self._under_way = [cycle for cycle in self._under_way if not cycle.response_complete]
        self._under_way.append(self.cycle)
        if 1 < len(self._under_way) <= MAX_QUEUED_REQUESTS:
            self.flow.resume_reading()  # else nobody would notice that the client of a stream went
        if upgrade:
            # The parser takes what follows for another protocol; were it given that, it would read it as a request.
            self._had_last_request = True
            self.cycle.keep_alive = False
        if not self.cycle.keep_alive and not _has_body(self.headers):
            self._had_last_request = True  # what follows is nobody's, and would only be kept

    def _application(self) -> Application:
        """Return what answers the request whose headers are complete."""
        if not self._has_room:
            self._refused(503)
            return _overloaded
        version = self.parser.get_http_version()
        fault = host_fault(self.headers, version) if version in _VERSIONS else "HTTP/1.1 is spoken here"
        if fault is not None:
            self._refused(400)
            return _Refused(fault)
        return self._served

    def on_body(self, body: bytes) -> None:
        """Take part of the body; how much of it is taken is for the route to say."""
        self._parser_spoke = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is there as a whole."""
        if self._is_upgrade_with_body:
            return
        self._request_since = 0.0
        super().on_message_complete()
        self._note_who_waits()

    def on_response_complete(self) -> None:
        """Answer the next request, if it is there, and read on."""
        self._is_next_pipelined = True
        super().on_response_complete()
        if self._unread:
            self._read_on()
        self._is_next_pipelined = False
        self._note_who_waits()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin to answer a request; the first one, and one that came behind another, give others their turn first."""
        if self._is_next_pipelined:
            self._bursts.pipelined.do(partial(self._begin, cycle, app))
        elif self._is_new:
            self._is_new = False
            self._bursts.first.do(partial(self._begin, cycle, app))
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not cycle.disconnected:
            super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        """Note that the client takes less than it is sent."""
        self._write_blocked_since = self.loop.time()
        super().pause_writing()
        self._note_who_waits()

    def resume_writing(self) -> None:
        """Note that the client takes what it is sent."""
        self._write_blocked_since = 0.0
        super().resume_writing()
        self._note_who_waits()

    def _note_who_waits(self) -> None:
        """Tell whether it is the client who is waited for, or we."""
        is_whole = not self._request_since or bool(self.pipeline)
        if is_whole and not self._write_blocked_since and not (self.cycle is None or self.cycle.response_complete):
            self._kept.works(self)
        elif not self.transport.is_closing():
            self._kept.waits(self)

    def abort_if_too_slow(self, now: float) -> None:
        """Cut off a client that has kept us waiting for longer than we do.

        Args:
            now: seconds of the event loop's clock.
        """
        request = self._request_since if self.parser is not None and not self.flow.held else 0.0
        for since in (request, self._write_blocked_since):
            if since and now - since > PATIENCE_SECONDS:
                self.transport.abort()

    def _refuse_head(self) -> None:
        """Answer, close, and have the parser stop.

        Raises:
            HeadTooLargeError: always.
        """
        if self.transport.is_closing():
            raise HeadTooLargeError
        self._refused(431)
        problem = ProblemError("headers_too_large", f"{self._max_head_bytes} bytes are allowed")
        body = problem.body()
        head = [b"HTTP/1.1 431 Request Header Fields Too Large\r\n"]
        headers = [*problem.headers(), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        head += [_LINE % one for one in headers]
        self.transport.write(b"".join([*head, b"\r\n", body]))
        self.transport.close()
        raise HeadTooLargeError

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is no HTTP, in the words of all our problems."""
        if self.transport.is_closing():
            return
        self._refused(400)
        body = ProblemError("bad_request", msg).body()
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        self.transport.close()


class HeadTooLargeError(Exception):
    """Raised out of the parser's callbacks, which is how it is stopped."""


def _has_body(headers: list[Header]) -> bool:
    """Return whether a body follows these headers."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b" \t0")) for name, value in headers
    )


async def _overloaded(_: Scope, __: Receive, send: Send) -> None:
    """Answer a client for whom there is no room."""
    await _send_and_close(ProblemError("overloaded"), send)


class _Refused:
    """Answers a request that is not one.

    Args:
        why: what is wrong with it.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Say why, and close."""
        await _send_and_close(ProblemError("bad_request", self._why), send)


async def _send_and_close(problem: ProblemError, send: Send) -> None:
    body = problem.body()
    headers = [*problem.headers(), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
