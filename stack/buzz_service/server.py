"""HTTP in front of the routes, and a door for tests below ``/_simulator``: faults, funds, books."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from stack.buzz_service.books import Books, Refused
from stack.buzz_service.faults import HANG_SECONDS, Fault, Faults
from stack.buzz_service.routes import Routes

if TYPE_CHECKING:
    from pathlib import Path

HOLLOW: dict[str, Any] = {"transactionId": None, "remainingBalance": None, "transactions": [], "conflicts": []}
"""A success that is none."""


class BuzzService(ThreadingHTTPServer):
    """The service; one thread a connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], path: Path) -> None:
        self.books, self.faults = Books(path), Faults()
        self.routes = Routes(self.books)
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BuzzService
    timeout: ClassVar[float] = HANG_SECONDS

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, *_: object) -> None:
        """Say nothing: what was asked stands in the books."""

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
            status, answer = 200, self._carried_out(method, parts, parse_qs(address.query), given, fault)
        except Refused as refused:
            status, answer = refused.status, {"message": str(refused)}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            status, answer = 400, {"message": f"{type(error).__name__}: {error}"}
        if not self._fails_after(fault):
            self._answer(status, answer)

    def _carried_out(self, method: str, parts: list[str], query: dict[str, list[str]], given: Any, fault: str) -> Any:
        if method == "GET":
            return self.server.routes.get(parts, query)
        return self.server.routes.post(parts, given, drop_leg=fault == "drop_leg")

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
                self._answer(202, HOLLOW)
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
            case ["fund"]:
                self.server.books.fund(given["accountId"], given["accountType"], given["amount"])
                return 200, {}
            case ["faults"]:
                self.server.faults.clear()
                for fault in given:
                    self.server.faults.arm(Fault(**fault))
                return 200, {}
            case ["books"]:
                return 200, {
                    "balances": self.server.books.balances(),
                    "moved": [vars(one) for one in self.server.books.all_moved()],
                }
        return 404, {"message": "no such door"}

    def _answer(self, status: int, answer: Any) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
