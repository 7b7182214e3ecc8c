"""Sends prepared requests over some connections as fast as answers come.

A process of its own, so that what it costs is not the server's. ``python -m benchmarks.load PORT CONNECTIONS FILE``
prints one line of JSON.

The file is msgpack: a list of whole requests. Each is sent once, in order, on whatever connection is free.
"""

import select
import socket
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.results import percentile

WARM_UP_SHARE = 0.1
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


class _Run:
    """All connections, and what came of them."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = iter(requests)
        self._ignored = int(len(requests) * WARM_UP_SHARE)
        self.began, self.took = 0.0, list[float]()
        self.statuses: dict[int, int] = {}
        self.a_refusal = ""

    def go(self, port: int, connections: int) -> None:
        """Send every request: on each connection the next as soon as the answer to the last is whole.

        Sockets and an epoll, no event loop: what this program costs, on a machine of two cores, the server has not.

        Raises:
            ConnectionError: the server hung up.
        """
        poll, open_ = select.epoll(), dict[int, socket.socket]()
        for _ in range(connections):
            one = socket.create_connection(("127.0.0.1", port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(one, select.EPOLLIN)
            open_[one.fileno()] = one
        sent = {fd: self._send(one) for fd, one in open_.items()}
        taken = dict.fromkeys(open_, b"")
        while any(sent.values()):
            for fd, _ in poll.poll():
                answer = taken[fd] + open_[fd].recv(65_536)
                if len(answer) == len(taken[fd]):
                    raise ConnectionError(f"the server hung up: {answer!r}")
                if not _is_whole(answer):
                    taken[fd] = answer
                    continue
                taken[fd] = b""
                self._answered(time.perf_counter() - sent[fd], answer)
                sent[fd] = self._send(open_[fd])
        for one in open_.values():
            one.close()

    def _send(self, connection: socket.socket) -> float:
        """Send the next request; returns when, and 0 if there is none."""
        request = next(self._requests, None)
        if request is None:
            return 0.0
        now = time.perf_counter()
        connection.sendall(request)
        return now

    def _answered(self, seconds: float, answer: bytes) -> None:
        status = int(answer[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status >= 300 and not self.a_refusal:
            self.a_refusal = answer.decode(errors="replace")
        self._ignored -= 1
        if self._ignored == 0:
            self.began = time.perf_counter()
        elif self._ignored < 0:
            self.took.append(seconds)


def _is_whole(answer: bytes) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = answer.index(b"content-length: ") + 16
    return len(answer) >= head + 4 + int(answer[at : answer.index(b"\r", at)])


def load(port: int, connections: int, requests: list[bytes]) -> Loaded:
    """Send all of them."""
    run = _Run(requests)
    run.go(port, connections)
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
    told = load(port, connections, requests)
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    main()
