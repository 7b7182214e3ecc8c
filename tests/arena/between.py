"""Something between the page and the API that spoils answers: each way in which an answer fails to be one."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE_BYTES = 65_536
SILENT: Final = "silent"
"""The request arrives, its answer never does."""
HTML: Final = b"<!doctype html><title>Bad gateway</title><h1>502</h1>"


def said(status: str, body: bytes, *headers: str, kind: str = "text/html") -> bytes:
    """Return an answer as it goes over the line."""
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def cut(answer: bytes) -> bytes:
    """Return an answer up to the middle of its body."""
    head, body = answer.split(b"\r\n\r\n", 1)
    return head + b"\r\n\r\n" + body[: len(body) // 2]


WAYS: Final[dict[str, Callable[[bytes], bytes] | str]] = {
    "cut mid-body": cut,
    "cut before the head": lambda _: b"",
    "502 of a proxy": lambda _: said("502 Bad Gateway", HTML),
    "503 of a proxy that says when": lambda _: said("503 Service Unavailable", HTML, "Retry-After: 1"),
    "404 of a proxy": lambda _: said("404 Not Found", HTML),
    "403 of a firewall": lambda _: said("403 Forbidden", HTML),
    "200 that is a page": lambda _: said("200 OK", HTML),
    "200 of another JSON": lambda _: said("200 OK", b'{"ok":true}', kind="application/json"),
    "200 of null": lambda _: said("200 OK", b"null", kind="application/json"),
    "200 of nothing": lambda _: said("200 OK", b"", kind="application/json"),
    "204": lambda _: b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "500 of the API": lambda _: said(
        "500 Internal Server Error", b'{"status":500,"code":"internal"}', kind="application/problem+json"
    ),
}
"""What an answer becomes on its way, by name."""


class Between(socketserver.ThreadingTCPServer):
    """Forwards requests to the API, and spoils the answers to votes as it is told. Closed by the caller.

    Args:
        port: of the API, on this machine.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.upstream = ("127.0.0.1", port)
        self.spoils: list[Callable[[bytes], bytes] | str] = []
        """What happens to the answers of the next votes, in this order; then they pass."""
        self.votes: list[bytes] = []
        """Bodies of the votes that came."""
        self.arrived = threading.Event()
        """A vote came."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Return the port that the page is to be opened at."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop."""
        self.shutdown()
        self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    """One request, and its answer."""

    server: Between

    def handle(self) -> None:
        """Forward it."""
        head = []
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            head.append(line)
        if not head:
            return
        length = next((int(line[15:]) for line in head if line.lower().startswith(b"content-length:")), 0)
        body = self.rfile.read(length)
        kept = [line for line in head if not line.lower().startswith(b"connection:")]
        with closing(socket.create_connection(self.server.upstream)) as upstream, suppress(OSError):
            upstream.sendall(b"".join((*kept, b"Connection: close\r\n\r\n", body)))
            if b"/votes " in head[0]:
                self._vote(upstream, body)
            else:
                self._pump(upstream)

    def _vote(self, upstream: socket.socket, body: bytes) -> None:
        self.server.votes.append(body)
        way: Any = self.server.spoils.pop(0) if self.server.spoils else None
        answer = b"".join(iter(lambda: upstream.recv(PIECE_BYTES), b""))
        self.server.arrived.set()
        if way == SILENT:
            self.connection.recv(1)  # until the page gives up
        else:
            self.wfile.write(answer if way is None else way(answer))

    def _pump(self, upstream: socket.socket) -> None:
        while piece := upstream.recv(PIECE_BYTES):
            self.wfile.write(piece)
