"""Sends prepared requests over some connections as fast as answers come.

A process of its own, so that what it costs is not the server's. ``python -m benchmarks.load PORT CONNECTIONS FILE``
prints one line of JSON.

The file is msgpack: a list of whole requests. Each is sent once, in order, on whatever connection is free.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from benchmarks.results import percentile

WARM_UP = 0.1
"""Part of the requests whose time does not count."""


class Loaded(msgspec.Struct):
    """What came of it."""

    sent: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]
    a_refusal: str
    """The first answer that was none of success."""


class _Client(asyncio.Protocol):
    """One connection: the next request as soon as the answer to the last is whole."""

    def __init__(self, run: "_Run") -> None:
        self._run, self._sent = run, 0.0
        self._taken, self._whole = b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.over(exc)

    def data_received(self, data: bytes) -> None:
        self._taken = self._taken + data if self._taken else data
        if not self._whole:
            head = self._taken.find(b"\r\n\r\n")
            if head < 0:
                return
            at = self._taken.index(b"content-length: ") + 16
            self._whole = head + 4 + int(self._taken[at : self._taken.index(b"\r", at)])
        if len(self._taken) >= self._whole:
            self._run.answered(time.perf_counter() - self._sent, self._taken)
            self._taken, self._whole = b"", 0
            self._next()

    def _next(self) -> None:
        request = next(self._run.requests, None)
        if request is None:
            self._run.over(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(request)  # type: ignore[attr-defined]


class _Run:
    def __init__(self, requests: list[bytes], connections: int, done: "asyncio.Future[None]") -> None:
        self.requests = iter(requests)
        self._connections, self._done = connections, done
        self._ignored = int(len(requests) * WARM_UP)
        self.began, self.took = 0.0, list[float]()
        self.statuses: dict[int, int] = {}
        self.a_refusal = ""

    def answered(self, seconds: float, answer: bytes) -> None:
        status = int(answer[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status >= 300 and not self.a_refusal:
            self.a_refusal = answer.decode(errors="replace")
        self._ignored -= 1
        if self._ignored == 0:
            self.began = time.perf_counter()
        elif self._ignored < 0:
            self.took.append(seconds)

    def over(self, error: Exception | None) -> None:
        self._connections -= 1
        if self._done.done():
            return
        if error is not None:
            self._done.set_exception(error)
        elif not self._connections:
            self._done.set_result(None)


async def load(port: int, connections: int, requests: list[bytes]) -> Loaded:
    """Send all of them."""
    loop = asyncio.get_running_loop()
    run = _Run(requests, connections, loop.create_future())
    for _ in range(connections):
        await loop.create_connection(lambda: _Client(run), "127.0.0.1", port)
    await run._done  # noqa: SLF001
    seconds = time.perf_counter() - run.began
    return Loaded(
        sent=len(requests),
        seconds=seconds,
        per_second=len(run.took) / seconds,
        p50_ms=percentile(run.took, 0.5) * 1000,
        p99_ms=percentile(run.took, 0.99) * 1000,
        statuses=run.statuses,
        a_refusal=run.a_refusal,
    )


def main() -> None:
    """Run as a program."""
    port, connections, file = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    requests = msgspec.msgpack.decode(file.read_bytes(), type=list[bytes])
    told = uvloop.run(load(port, connections, requests))
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main()
