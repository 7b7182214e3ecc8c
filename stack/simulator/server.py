"""HTTP in front of a service, and a door for tests below ``/_simulator``: faults, and what the service has to tell."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from stack.simulator.faults import HANG_SECONDS, Fault, Faults
from stack.simulator.refused import RefusedRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class SimulatorRequest:
    """What a client asks."""

    method: str
    parts: list[str]
    """Of the path, decoded."""
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any
    """Decoded JSON; None for no body."""


class Service(Protocol):
    """What is behind the interface."""

    hollow: Any
    """The body of a success that is none."""
    faults: Sequence[str]
    """Kinds of faults that this service has besides."""

    def answer(self, request: SimulatorRequest, fault: str) -> tuple[int, Any]:
        """Answer a request with status and JSON; the fault is one of its own, or empty.

        Raises:
            Refused: nothing was done.
        """
        ...

    def told(self, what: str, given: Any) -> Any:
        """Carry out what a test or an audit asks for; None: there is no such door."""
        ...


class SimulatorServer(ThreadingHTTPServer):
    """A double of a service; one thread a connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        self.service, self.faults = service, Faults(service.faults)
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SimulatorServer
    timeout: ClassVar[float] = HANG_SECONDS

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, *_: object) -> None:
        """Say nothing: what was asked stands in what the service keeps."""

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        if parts[0] == "_simulator":
            self._answer(*self._told(parts[1:], body))
            return
        fault = self.server.faults.take(method, address.path)
        if self._fails_before(fault):
            return
        try:
            given = json.loads(body) if body else None
            request = SimulatorRequest(method, parts, parse_qs(address.query), dict(self.headers.items()), given)
            status, answer = self.server.service.answer(request, fault)
        except RefusedRequest as refused:
            status, answer = refused.status, {"message": str(refused)}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            status, answer = 400, {"message": f"{type(error).__name__}: {error}"}
        if not self._fails_after(fault):
            self._answer(status, answer)

    def _fails_before(self, fault: str) -> bool:
        match fault:
            case "hang_before":
                time.sleep(HANG_SECONDS)
                self.close_connection = True
            case "close_before":
                self.close_connection = True
            case "500_before":
                self._answer(500, {"message": "internal error"})
            case "503" | "429":
                self._answer(int(fault), {"message": "later"})
            case "hollow":
                self._answer(202, self.server.service.hollow)
            case _:
                return False
        return True

    def _fails_after(self, fault: str) -> bool:
        match fault:
            case "hang_after":
                time.sleep(HANG_SECONDS)
                self.close_connection = True
            case "close_after":
                self.close_connection = True
            case "500_after":
                self._answer(500, {"message": "internal error"})
            case "garbage":
                self._send(200, b"<html>welcome</html>", "text/html")
            case _:
                return False
        return True

    def _told(self, parts: list[str], body: bytes) -> tuple[int, Any]:
        """Carry out what a test or an audit asks for; no client of the service knows of this door."""
        given = json.loads(body) if body else {}
        match parts:
            case ["ready"]:
                return 200, {}
            case ["faults"]:
                self.server.faults.clear()
                for fault in given:
                    self.server.faults.arm(Fault(**fault))
                return 200, {}
            case [what] if (answer := self.server.service.told(what, given)) is not None:
                return 200, answer
        return 404, {"message": "no such door"}

    def _answer(self, status: int, answer: Any) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
