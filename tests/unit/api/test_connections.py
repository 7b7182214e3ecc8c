"""What one connection may do to the server: fill its memory, or say two things in one request."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from watcher.api.http import server as server_module
from watcher.api.http import uvicorn_internals
from watcher.api.http.connections import Connections
from watcher.api.http.later import FIRST_IN_A_TURN, PIPELINED_IN_A_TURN
from watcher.api.http.server import ApiServer
from watcher.api.http.uvicorn_internals import MAX_HEAD_BYTES, MAX_QUEUED_REQUESTS, MIN_PIECE_BYTES, BoundedProtocol


@asynccontextmanager
async def serving(app: Any, seen: list[ApiServer] | None = None, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """A server of the application; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    server = ApiServer(
        app, listening, seconds_left=lambda: 1.0, stopping=lambda: None, connections=Connections(100), **options
    )
    task = asyncio.create_task(server.serve())
    if seen is not None:
        seen.append(server)
    try:
        yield listening.getsockname()
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)
        listening.close()


async def reply(send: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def echo(_: Any, receive: Any, send: Any) -> None:
    """Answers with the body, once it is whole."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await reply(send, body)


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: y",
        b"GET / HTTP/1.1\r\nHost: x\r\nX",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nX: y",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y",
    ],
    ids=["a value", "a name", "a trailer", "what follows a chunk's length"],
)
async def test_one_header_without_end(begun: bytes) -> None:
    """It is 431 when it is longer than all headers may be, and not taken into memory for as long as it is sent."""
    async with serving(echo) as address:
        reader, writer = await asyncio.open_connection(*address)
        answering = asyncio.create_task(reader.read())
        sent = 0
        writer.write(begun)
        while not answering.done() and sent < 8 * MAX_HEAD_BYTES:
            writer.write(b"y" * 1_024)
            sent += 1_024
            await asyncio.wait([answering], timeout=0.05)
        writer.close()
        answer = await asyncio.wait_for(answering, 5)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["code"] == "headers_too_large"
    assert MAX_HEAD_BYTES < sent < 3 * MAX_HEAD_BYTES


async def test_a_body_is_no_header() -> None:
    """A body larger than headers may be is the route's to judge, in one piece or in many."""
    body = b"z" * (2 * MAX_HEAD_BYTES)
    async with serving(echo) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 4_096):
            writer.write(body[at : at + 4_096])
            await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await asyncio.wait_for(reader.readexactly(len(body)), 5) == body
        writer.close()


UPGRADE = b"POST /asked HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
ANOTHER = b"GET /another HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("later", [ANOTHER, b'{"winner": 1}'], ids=["a request", "anything else"])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n"], ids=["no length", "no body"])
async def test_nothing_is_read_behind_an_upgrade(caplog: pytest.LogCaptureFixture, length: bytes, later: bytes) -> None:
    """It is answered as if it asked for none, then the connection ends; what came meanwhile is no request."""
    asked: list[str] = []
    there, answer_now = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, _: Any, send: Any) -> None:
        asked.append(scope["path"])
        if scope["path"] == "/asked":
            there.set()
            await answer_now.wait()
        await reply(send, b"")

    async with serving(app) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(UPGRADE + length + b"\r\n")
        await asyncio.wait_for(there.wait(), 5)
        writer.write(later)
        # Whoever comes later is answered: what was sent before is read by now.
        other, others = await asyncio.open_connection(*address)
        others.write(ANOTHER)
        await asyncio.wait_for(other.readuntil(b"\r\n\r\n"), 5)
        others.close()
        answer_now.set()
        answers = (await asyncio.wait_for(reader.read(), 5)).split(b"HTTP/1.1 ")[1:]
        writer.close()

    assert [answer[:3] for answer in answers] == [b"200"]
    assert b"connection: close\r\n" in answers[0]
    assert asked == ["/asked", "/another"]
    assert [record.message for record in caplog.records if record.levelname not in ("DEBUG", "INFO")] == []


VOTE = b'{"winner": 1}'
JAVA = (
    b"POST /v1/crucibles/1/votes?x=1 HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nHost: x\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA\r\nUpgrade: h2c\r\n"
    b"User-Agent: Java-http-client/21\r\n"
)
"""As the HttpClient of Java 11 and later begins, unless it is told to speak HTTP/1.1."""
BODIES = {
    "length": b"Content-Length: 13\r\n\r\n" + VOTE,
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + VOTE[:5] + b"\r\n8\r\n" + VOTE[5:] + b"\r\n0\r\n\r\n",
    "length, and it waits": b"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n" + VOTE,
}


@pytest.mark.parametrize("size", [1, 7, 200, 100_000], ids="in pieces of {}".format)
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("head", [JAVA, UPGRADE], ids=["Java", "another"])
async def test_an_upgrade_with_a_body(head: bytes, body: str, size: int) -> None:
    """The wish is ignored and the request answered; the connection goes on, with requests behind it, such ones too."""
    asked: list[tuple[str, str, list[bytes]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append((scope["method"], scope["path"], [name for name, _ in scope["headers"]]))
        await echo(scope, receive, send)

    one = head + BODIES[body]
    async with serving(app) as address:
        reader, writer = await asyncio.open_connection(*address)
        sent = one + ANOTHER + one
        for at in range(0, len(sent), size):
            writer.write(sent[at : at + size])
            await asyncio.sleep(0)
        heads = []
        for length in (len(VOTE), 0, len(VOTE)):
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            if answer.startswith(b"HTTP/1.1 100 "):
                answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            heads.append(answer)
            assert await asyncio.wait_for(reader.readexactly(length), 5) == VOTE[:length]
        writer.close()

    assert [answer[:12] for answer in heads] == [b"HTTP/1.1 200"] * 3
    assert [b"connection: close" in answer for answer in heads] == [False] * 3
    path = head.split(b" ")[1].partition(b"?")[0].decode()
    assert [(method, at) for method, at, _ in asked] == [("POST", path), ("GET", "/another"), ("POST", path)]
    assert {b"upgrade", b"http2-settings", b"connection"}.isdisjoint(name for *_, names in asked for name in names)
    assert b"host" in asked[0][2]


async def test_what_else_connection_says_holds() -> None:
    """A client that asks for an upgrade and for the connection to be closed gets the latter."""
    async with serving(echo) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nz"
        )
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert b"connection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nz")


@pytest.mark.parametrize(("max_head_bytes", "status"), [(16_384, b"431"), (24_576, b"200")])
async def test_the_bound_of_a_head_is_the_server_s(max_head_bytes: int, status: bytes) -> None:
    """Longer tokens are allowed by a setting, and the bound on all headers follows it."""
    async with serving(echo, max_head_bytes=max_head_bytes) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: %s\r\n\r\n" % (b"y" * 20_000))
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 %s " % status)


@pytest.mark.parametrize("behind", [1, 3])
async def test_who_goes_with_a_request_behind_is_missed(behind: int) -> None:
    """A request that takes long hears that its client went, also with others that wait behind it."""
    asked: list[str] = []
    there, gone = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, _: Any) -> None:
        asked.append(scope["path"])
        there.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async with serving(app) as address:
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(there.wait(), 5)
        writer.write(ANOTHER * behind)
        await writer.drain()
        writer.close()
        await asyncio.wait_for(gone.wait(), 5)

    assert asked == ["/long"]


@pytest.mark.parametrize("length", [b"", b"Content-Length: 70\r\n"], ids=["no body", "a body"])
async def test_requests_that_come_together_are_read_as_they_are_answered(length: bytes) -> None:
    """However many of them: a few wait, all are answered in their order, and what is left stays unread."""
    asked = 2_000
    queued: list[int] = []
    servers: list[ApiServer] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        queued.append(max(len(one.pipeline) for one in servers[0].server_state.connections))  # type: ignore[union-attr]
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        await reply(send, scope["path"].encode())

    body = b"\r\n\r\n" * 17 + b"zz" if length else b""
    method = b"POST" if length else b"GET"
    async with serving(app, servers) as address:
        reader, writer = await asyncio.open_connection(*address)
        sent = b"".join(
            method + b" /%05d HTTP/1.1\r\nHost: x\r\n" % at + length + b"\r\n" + body for at in range(asked)
        )
        sending = asyncio.create_task(_send_all(writer, sent))
        answers = []
        for _ in range(asked):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200 ")
            answers.append(int((await reader.readexactly(6))[1:]))
        await sending
        writer.close()

    assert answers == list(range(asked))
    assert max(queued) <= MAX_QUEUED_REQUESTS + MIN_PIECE_BYTES // 16


async def test_requests_that_come_together_give_others_their_turn() -> None:
    """Of all that many connections have sent a few are begun in a turn; whoever asks one thing waits no longer."""
    begun_in: Counter[int] = Counter()
    turn = 0

    async def count() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    async def app(scope: Any, _: Any, send: Any) -> None:
        begun_in[turn] += scope["path"] == "/many"
        await reply(send, b"")

    async with serving(app) as address:
        counting = asyncio.create_task(count())
        opened = [await asyncio.open_connection(*address) for _ in range(40)]
        for _, writer in opened:
            writer.write(b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /many HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        for reader, writer in opened:
            for _ in range(51):
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            writer.close()
        counting.cancel()

    assert sum(begun_in.values()) == 40 * 50
    assert max(begun_in.values()) <= 2 * PIPELINED_IN_A_TURN


async def test_connections_that_come_together_give_others_their_turn() -> None:
    """A few of their first requests are begun in a turn; an older connection's next one is not behind them."""
    begun: list[str] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        begun.append(scope["path"])
        await reply(send, b"")

    async with serving(app) as address:
        reader, old = await asyncio.open_connection(*address)
        old.write(ANOTHER)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        opened = [await asyncio.open_connection(*address) for _ in range(90)]
        begun.clear()
        for _, writer in opened:
            writer.write(b"GET /new HTTP/1.1\r\nHost: x\r\n\r\n")
        old.write(b"GET /old HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        before = begun.index("/old")
        for other, writer in opened:
            await asyncio.wait_for(other.readuntil(b"\r\n\r\n"), 5)
            writer.close()
        old.close()

    assert len(begun) == 91
    assert before <= 4 * FIRST_IN_A_TURN


async def _send_all(writer: asyncio.StreamWriter, sent: bytes) -> None:
    writer.write(sent)
    await writer.drain()


async def test_who_sends_requests_and_takes_no_answers_is_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of it is what one reading brings, and in the end it is cut off."""
    monkeypatch.setattr(uvicorn_internals, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.05)
    kept: list[int] = []
    servers: list[ApiServer] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        for one in servers[0].server_state.connections:
            assert isinstance(one, BoundedProtocol)
            kept.append(len(one._unread) + 1_000 * len(one.pipeline))
        await reply(send, b"z" * 60_000)

    async with serving(app, servers) as address:
        with socket.socket() as dead:
            dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            dead.setblocking(False)
            await asyncio.get_running_loop().sock_connect(dead, address)
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(_flood(dead), 20)

    assert max(kept) < 600_000


async def _flood(line: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(line, ANOTHER * 1_000)


_POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
DRIPS = {
    "empty lines": (b"\r\n", b"\r\n"),
    "half a method": (b"G", b""),
    "half a header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"z"),
    "a body in chunks": (_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n"),
    "a body that is asked for": (_POST + b"Content-Length: 999\r\nExpect: 100-continue\r\n\r\n", b"z"),
}
"""By name: what a client begins with, and what it sends now and then."""


@pytest.mark.parametrize(("begun", "more"), DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("is_first", [True, False], ids=["at first", "after an answer"])
async def test_what_completes_no_request_gives_no_more_time(
    begun: bytes, more: bytes, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection has its time between two requests, and for each of them, whatever else is sent on it."""
    monkeypatch.setattr(uvicorn_internals, "PATIENCE_SECONDS", 0.15)
    monkeypatch.setattr(server_module, "KEEP_ALIVE_SECONDS", 0.15)
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.02)

    async with serving(echo) as address:
        reader, writer = await asyncio.open_connection(*address)
        if not is_first:
            writer.write(ANOTHER)
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(begun)
        gone = asyncio.create_task(reader.read())
        try:
            async with asyncio.timeout(10):
                while not gone.done():
                    writer.write(more)
                    await asyncio.wait([gone], timeout=0.02)
        finally:
            gone.cancel()
            writer.close()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"HTTP/1.1\r\nHost: example.com", 200),
        (b"HTTP/1.1\r\nHost: example.com:8080", 200),
        (b"HTTP/1.1\r\nHost: [2001:db8::1]:80", 200),
        (b"HTTP/1.0\r\nX: y", 200),
        (b"HTTP/1.1\r\nX: y", 400),
        (b"HTTP/1.1\r\nHost:", 400),
        (b"HTTP/1.1\r\nHost: a\r\nX: y\r\nHost: a", 400),
        (b"HTTP/1.0\r\nHost: a\r\nHost: b", 400),
        (b"HTTP/1.1\r\nHost: a b", 400),
        (b"HTTP/1.1\r\nHost: a, b", 400),
        (b"HTTP/1.1\r\nHost: a/b", 400),
        (b"HTTP/1.1\r\nHost: user@a", 400),
        (b"HTTP/1.1\r\nHost: a:port", 400),
        (b"HTTP/1.1\r\nHost: [a", 400),
        (b"HTTP/1.1\r\nHost: \xc3\xa4", 400),
    ],
)
async def test_a_request_names_one_host(lines: bytes, status: int) -> None:
    """One with none, two or one that is none is a problem, and the end of its connection."""
    async with serving(echo) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / %s\r\n\r\n" % lines)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        body = await asyncio.wait_for(reader.read(), 5) if status == 400 else b""
        writer.close()

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert status == 200 or json.loads(body)["code"] == "bad_request"
