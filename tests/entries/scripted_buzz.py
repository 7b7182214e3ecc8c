"""A Buzz service that answers whatever a test has it say, byte by byte."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str


class ScriptedBuzz:
    """Answers each request by the last rule whose method is its own and whose path it begins with."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[Asked] = []
        self.rules: dict[tuple[str, str], bytes] = {}

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def moved(self) -> list[Asked]:
        """Return the requests that ask for something to be done."""
        return [one for one in self.asked if one.method == "POST"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split("\r\n", 1)[0].split(" ")
        length = int(head.lower().partition("content-length: ")[2].partition("\r")[0] or 0)
        await reader.readexactly(length)
        self.asked.append(Asked(method, path))
        rules = [
            answer for (wanted, below), answer in self.rules.items() if method == wanted and path.startswith(below)
        ]
        for answer in rules[-1:]:
            writer.write(answer)
        await writer.drain()
        writer.close()


def said(body: bytes, status: int = 200, **headers: str) -> bytes:
    """Return an answer as bytes."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
    return head.encode() + body


@contextmanager
def scripted_buzz() -> Iterator[ScriptedBuzz]:
    """Run one for the length of the block."""
    made, loop = ScriptedBuzz(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(made.serve, "127.0.0.1", 0))
    made.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
