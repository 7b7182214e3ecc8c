"""Servers of a few lines for tests of the HTTP client, and the client as they ask with it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from watcher.model.errors import TemporaryError
from watcher.runtime.http_client import HttpClient

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NO_PROXIES: Mapping[str, str] = {}
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-served-by: it\r\n\r\nhi"


@asynccontextmanager
async def serve(answer: Streams, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server, and its port."""
    serving: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def says(answer: bytes, heard: list[bytes] | None = None) -> Streams:
    """Read one request, answer it, close."""

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
            heard.append(head + await reader.readexactly(int(length[0]) if length else 0))
        writer.write(answer)
        await writer.drain()

    return exchange


def client(url: str, *, timeout: float = 5.0, environ: Mapping[str, str] = NO_PROXIES, **more: Any) -> HttpClient:
    """A client of a service."""
    return HttpClient("the shop", "shop.url", url, timeout, environ=environ, **more)


async def refused(url: str, **more: Any) -> TemporaryError:
    """The error of a request."""
    with pytest.raises(TemporaryError) as caught:
        await client(url, **more).request("POST", "orders", body={"n": 1})
    return caught.value
