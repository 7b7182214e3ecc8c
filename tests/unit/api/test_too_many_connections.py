"""More clients than there is room for."""

import asyncio
import json
import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Self

import pytest
from structlog.testing import capture_logs

from watcher.api.http import server
from watcher.api.http.connections import Connections
from watcher.api.http.server import ApiServer

WORDS = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A server with room for two, whose answers may be held back."""

    def __init__(self, most_per_address: int = 0) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.answer_now = asyncio.Event()
        self.answer_now.set()
        self.asked = asyncio.Queue[None]()
        self._opened: list[asyncio.StreamWriter] = []
        room = Connections(1_000 if most_per_address else 2, most_per_address)
        self._server = ApiServer(
            self._app, self._listening, seconds_left=lambda: 1.0, stopping=lambda: None, connections=room
        )

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self._opened:
            writer.close()
        self._server.stop()
        await asyncio.wait_for(self._serving, 10)
        self._listening.close()

    async def _app(self, _: Any, __: Any, send: Any) -> None:
        self.asked.put_nowait(None)
        await self.answer_now.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def open(self, said: bytes = WORDS) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client that has said something."""
        reader, writer = await asyncio.open_connection(*self._listening.getsockname())
        self._opened.append(writer)
        writer.write(said)
        return reader, writer


async def head(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)


@pytest.mark.parametrize("said", [WORDS, WORDS + b"\r\n", b"GET / HT"], ids=["idle", "an empty line", "half a request"])
async def test_one_too_many_takes_the_place_of_one_that_waits(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the one that has waited longest for its client, which is hung up on, and told to operators; others stay."""
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.02)
    with capture_logs() as logs:
        await _one_too_many(said, logs)

    assert [(line["event"], line["given_up"]) for line in logs] == [("connections.full", 1)]


async def _one_too_many(said: bytes, logs: Sequence[object]) -> None:
    async with Served() as served:
        oldest, _ = await served.open(said)
        if said.startswith(WORDS):
            assert (await head(oldest)).startswith(b"HTTP/1.1 200")
        other, other_writer = await served.open()
        assert (await head(other)).startswith(b"HTTP/1.1 200")

        another, _ = await served.open()

        assert (await head(another)).startswith(b"HTTP/1.1 200")
        assert await asyncio.wait_for(oldest.read(), 5) == b""
        other_writer.write(WORDS)
        assert (await head(other)).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(5):
            while not logs:
                other_writer.write(WORDS)
                await head(other)


async def test_one_too_many_while_all_are_answered() -> None:
    """It is told so in a problem, with a time to come back, and hung up on; nobody who is answered loses anything."""
    async with Served() as served:
        served.answer_now.clear()
        two = [await served.open() for _ in range(2)]
        for _ in two:
            await asyncio.wait_for(served.asked.get(), 5)

        reader, _ = await served.open()
        refused = await head(reader)
        body = await asyncio.wait_for(reader.read(), 5)  # to its end: it was hung up
        served.answer_now.set()
        answers = [await head(one) for one, _ in two]

    assert refused.startswith(b"HTTP/1.1 503")
    assert b"content-type: application/problem+json" in refused
    assert b"retry-after: 1\r\n" in refused
    assert json.loads(body)["code"] == "overloaded"
    assert all(one.startswith(b"HTTP/1.1 200") for one in answers)


async def test_too_many_of_one_address() -> None:
    """Beyond its bound it is told so, beyond twice of that hung up on; and there is room again when one goes."""
    async with Served(most_per_address=2) as served:
        opened = [await served.open() for _ in range(4)]
        answers = [await head(reader) for reader, _ in opened[:2]]
        refused = [await asyncio.wait_for(reader.read(), 5) for reader, _ in opened[2:]]
        opened[0][1].close()
        async with asyncio.timeout(5):
            while not (again := await (await served.open())[0].read(12)).endswith(b"200"):
                pass

    assert all(one.startswith(b"HTTP/1.1 200") for one in answers)
    assert [one[:12] for one in refused] == [b"HTTP/1.1 503"] * 2
    assert again == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("soft", "hard", "room", "files"), [(128, 4_096, 2_816, 4_096), (128, 256, 128, 256), (600, 4_096, 2_816, 4_096)]
)
def test_room_for_connections(soft: int, hard: int, room: int, files: int) -> None:
    """The soft limit is raised to the hard one, and what is left besides our own files is for clients."""
    code = (
        "import resource\n"
        "from watcher.api.http.descriptors import room_for\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "print('room', room_for(20_000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= hard

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert said.stdout.splitlines()[-1] == f"room {room} {files}"
