"""HTTP: one request in, one answer out."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stack.clickhouse_door.body import ClientGoneError, decompress, read_body
from stack.clickhouse_door.errors import AUTHENTICATION_FAILED, READONLY, UNKNOWN, StatementError
from stack.clickhouse_door.request import DoorRequest, read_request
from stack.clickhouse_door.statement import Insert, read_statement

if TYPE_CHECKING:
    from stack.clickhouse_door.engine import Answer, Engine

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "CSV": "text/csv; charset=UTF-8",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one user of this server."""

    user: str
    password: str

    def admit(self, user: str, password: str) -> bool:
        """Compare in constant time."""
        same_user = hmac.compare_digest(user.encode(), self.user.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and same_user


class Door(ThreadingHTTPServer):
    """A thread a connection; answers in flight are counted, so that a stop can wait for them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, credentials: Credentials) -> None:
        super().__init__(address, Exchange)
        self.engine = engine
        self.credentials = credentials
        self._in_flight = 0
        self._idle = threading.Condition()

    def began(self) -> None:
        """A request starts to run."""
        with self._idle:
            self._in_flight += 1

    def ended(self) -> None:
        """A request's answer is on its way."""
        with self._idle:
            self._in_flight -= 1
            self._idle.notify_all()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until nothing runs; tell whether that came true in time."""
        with self._idle:
            return self._idle.wait_for(lambda: self._in_flight == 0, seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class Exchange(BaseHTTPRequestHandler):
    """One connection of one client."""

    server: Door
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together

    def setup(self) -> None:
        """Answers are small; waiting to fill a packet would cost 40 ms each."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        """Liveness, or a statement that reads."""
        path = urlsplit(self.path).path
        if path in ("/ping", "/replicas_status") or (path == "/" and not urlsplit(self.path).query):
            self._send(200, b"Ok.\n", {})
        else:
            self._exchange(may_write=False)

    def do_HEAD(self) -> None:
        """Answer any path with 200 and no body: the door is alive."""
        self._send(200, b"", {})

    def do_POST(self) -> None:
        """Run the statement of the body or the query, which may write."""
        self._exchange(may_write=True)

    def _exchange(self, *, may_write: bool) -> None:
        started = time.monotonic_ns()
        self.server.began()
        try:
            body = read_body(self.rfile, self.headers["Content-Length"], self.headers["Transfer-Encoding"] or "")
            body = decompress(body, self.headers["Content-Encoding"] or "")
            request = read_request(urlsplit(self.path).query, self.headers, body)
            self._authenticate(request)
            answer = run(self.server.engine, request, may_write=may_write)
            self._answer(answer, request.query_id, time.monotonic_ns() - started)
        except ClientGoneError:
            self.close_connection = True
        except StatementError as fault:
            self._fail(fault)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - the client must learn of it, and the server must live
            self._fail(StatementError(UNKNOWN, f"Code: {UNKNOWN}. DB::Exception: {error!r}. (UNKNOWN_EXCEPTION)"))
        finally:
            self.server.ended()

    def _authenticate(self, request: DoorRequest) -> None:
        user, password = self._credentials(request)
        if not self.server.credentials.admit(user, password):
            raise StatementError.of(
                AUTHENTICATION_FAILED,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
            )

    def _credentials(self, request: DoorRequest) -> tuple[str, str]:
        authorization = self.headers["Authorization"] or ""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return "", ""
            return user, password
        user = request.user or self.headers["X-ClickHouse-User"] or "default"
        return user, request.password or self.headers["X-ClickHouse-Key"] or ""

    def _answer(self, answer: Answer, query_id: str | None, elapsed_ns: int) -> None:
        summary = {
            "read_rows": answer.read_rows,
            "read_bytes": answer.read_bytes,
            "written_rows": answer.written_rows,
            "written_bytes": answer.written_bytes,
            "total_rows_to_read": 0,
            "result_bytes": len(answer.data),
            "elapsed_ns": elapsed_ns,
        }
        self._send(
            200,
            answer.data,
            {
                "Content-Type": _CONTENT_TYPES.get(answer.format, "text/plain; charset=UTF-8"),
                "X-ClickHouse-Server-Display-Name": "clickhouse-door",
                "X-ClickHouse-Query-Id": query_id or str(uuid.uuid4()),
                "X-ClickHouse-Format": answer.format,
                "X-ClickHouse-Timezone": self.server.engine.timezone,
                "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()}),
            },
        )

    def _fail(self, fault: StatementError) -> None:
        text = f"{fault.text} (version {self.server.engine.version})\n"
        headers = {"Content-Type": "text/plain; charset=UTF-8", "X-ClickHouse-Exception-Code": str(fault.code)}
        self._send(fault.status, text.encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Nothing a line; statements may hold what must not be logged."""


def run(engine: Engine, request: DoorRequest, *, may_write: bool) -> Answer:
    """Find the statement in ``query=`` and the body, and run it.

    An INSERT in ``query=`` has its data there and in the body; any other statement may be split between the two.
    """
    given = request.query or request.body
    rest = request.body if request.query else b""
    statement = read_statement(given, request.default_format)
    if isinstance(statement, Insert):
        if not may_write:
            raise _read_only()
        inline = given[statement.data_at :]
        return engine.run(statement, [piece for piece in (inline, rest) if piece], request)
    if rest.strip():
        statement = read_statement(given + b"\n" + rest, request.default_format)
        if isinstance(statement, Insert):
            return engine.run(statement, [(given + b"\n" + rest)[statement.data_at :]], request)
    if not may_write and not statement.reads:
        raise _read_only()
    return engine.run(statement, [], request)


def _read_only() -> StatementError:
    return StatementError.of(
        READONLY,
        "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
        "You should use method POST for modifying queries",
    )
