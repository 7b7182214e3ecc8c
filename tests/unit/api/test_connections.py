"""What one connection may do to the server: fill its memory, or say two things in one request."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from watcher.api.server import LARGEST_HEAD, ApiServer


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[str, int]]:
    """A server of the application; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    server = ApiServer(app, listening, deadline=1, stopping=lambda: None)
    task = asyncio.create_task(server.serve())
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
        while not answering.done() and sent < 8 * LARGEST_HEAD:
            writer.write(b"y" * 1_024)
            sent += 1_024
            await asyncio.wait([answering], timeout=0.05)
        writer.close()
        answer = await asyncio.wait_for(answering, 5)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["code"] == "headers_too_large"
    assert LARGEST_HEAD < sent < 3 * LARGEST_HEAD


async def test_a_body_is_no_header() -> None:
    """A body larger than headers may be is the route's to judge, in one piece or in many."""
    body = b"z" * (2 * LARGEST_HEAD)
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
