"""More clients than there is room for."""

import asyncio
import json
import resource
import socket
import subprocess
import sys
from typing import Any

import pytest

from watcher.api.http.server import ApiServer

WORDS = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(_: Any, __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def test_one_too_many() -> None:
    """It is told so in a problem, with a time to come back, and hung up on; there is room again when one goes."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    server = ApiServer(hello, listening, seconds_left=lambda: 1.0, stopping=lambda: None, connections=2)
    serving = asyncio.create_task(server.serve())
    opened = []

    async def ask() -> tuple[asyncio.StreamReader, bytes]:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        opened.append(writer)
        writer.write(WORDS)
        return reader, await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    try:
        for _ in range(2):
            assert (await ask())[1].startswith(b"HTTP/1.1 200")
        reader, head = await ask()
        body = await asyncio.wait_for(reader.read(), 5)  # to its end: it was hung up

        assert head.startswith(b"HTTP/1.1 503")
        assert b"content-type: application/problem+json" in head
        assert b"retry-after: 1\r\n" in head
        assert json.loads(body)["code"] == "overloaded"

        opened[0].close()
        async with asyncio.timeout(5):
            while not (await ask())[1].startswith(b"HTTP/1.1 200"):
                pass
    finally:
        for writer in opened:
            writer.close()
        server.stop()
        await asyncio.wait_for(serving, 10)
        listening.close()


@pytest.mark.parametrize(
    ("soft", "hard", "room", "files"), [(128, 1_024, 768, 1_024), (128, 256, 128, 256), (600, 1_024, 768, 1_024)]
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
