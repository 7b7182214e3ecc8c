"""``/livez``, ``/readyz`` and ``/metrics`` over HTTP, in a thread of their own so that a stuck loop can be seen."""

import json
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from watcher.telemetry.health import Health, HealthReport
from watcher.telemetry.listening import listen

log = structlog.get_logger(__name__)

SLOW_CLIENT_SECONDS: Final = 10.0
"""How long a client may take over its request, so that a half-open connection does not keep a thread."""
BACKLOG_CONNECTIONS: Final = 16
"""Connections that the kernel holds until they are taken."""
IDLE_SECONDS: Final = 3600.0
"""Seconds until the server's thread wakes up although nobody asked."""

ProbeAnswer = tuple[HTTPStatus, str, bytes]
"""Status, content type, body."""


class ProbeServer:
    """The operations port.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one, see ``port``.
        health: what the probes tell.
        registry: what ``/metrics`` shows.

    Raises:
        StopError: the port is taken, or the address is not this machine's.
    """

    def __init__(self, host: str, port: int, health: Health, registry: CollectorRegistry) -> None:
        self._health, self._registry = health, registry
        self._was_alive = True
        self._routes: dict[str, Callable[[str], ProbeAnswer]] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
        }
        self._server = _Server(listen(host, port, "ops.host, ops.port", BACKLOG_CONNECTIONS), _handler(self._answer))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(IDLE_SECONDS,), name="probes", daemon=True
        )

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> Self:
        """Begin to answer, in a thread of its own; return the server."""
        self._thread.start()
        log.info("probes.started", port=self.port)
        return self

    def close(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            # The server looks for its end only when something happens to its socket, so that it sleeps when nothing
            # does: from here on every look finds that the socket takes no more.
            self._server.socket.shutdown(socket.SHUT_RDWR)
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, method: str, target: str, accept: str) -> ProbeAnswer:
        route = self._routes.get(urlsplit(target).path)
        if route is None:
            return _json(HTTPStatus.NOT_FOUND, {"error": "no such path", "paths": sorted(self._routes)})
        if method not in {"GET", "HEAD"}:
            return _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"{method} is not answered here, GET is"})
        return route(accept)

    def _livez(self, _: str) -> ProbeAnswer:
        report = self._health.alive()
        if self._was_alive and not report.ok:
            stuck = "; ".join(f"{check.name}: {check.detail}" for check in report.checks if not check.ok)
            log.error("loop.stuck", detail=stuck, stacks=stacks())
        self._was_alive = report.ok
        return _probe(report)

    def _readyz(self, _: str) -> ProbeAnswer:
        return _probe(self._health.ready())

    def _metrics(self, accept: str) -> ProbeAnswer:
        encode, content_type = choose_encoder(accept)
        return HTTPStatus.OK, content_type, encode(self._registry)


def stacks() -> str:
    """Return what every thread is doing, for the log of a process that is about to be restarted."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - the interpreter's own door to them
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listening.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        """Log an error like everything else, and do nothing about a client that hangs up."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.warning("probe.failed", error=repr(error))


def _handler(answer: Callable[[str, str, str], ProbeAnswer]) -> type[BaseHTTPRequestHandler]:
    class ProbeHandler(BaseHTTPRequestHandler):
        """Answers each request with what ``answer`` says of its method, target and Accept header."""

        protocol_version = "HTTP/1.1"
        server_version = "crucible"
        sys_version = ""
        timeout = SLOW_CLIENT_SECONDS

        def _serve(self) -> None:
            status, content_type, body = answer(self.command, self.path, self.headers.get("Accept", ""))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if status is HTTPStatus.METHOD_NOT_ALLOWED:
                self.send_header("Allow", "GET, HEAD")
                self.close_connection = True  # a body may follow that nobody reads
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
            """Do nothing: probes come every few seconds and say nothing new."""

    return ProbeHandler


def _probe(report: HealthReport) -> ProbeAnswer:
    status = HTTPStatus.OK if report.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return _json(status, {"ok": report.ok, "checks": [asdict(check) for check in report.checks]})


def _json(status: HTTPStatus, content: dict[str, Any]) -> ProbeAnswer:
    return status, "application/json", json.dumps(content).encode() + b"\n"
