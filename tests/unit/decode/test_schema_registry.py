"""The registry's client against a server that answers badly in each way there is."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from watcher.decode.registry import RegistryClient
from watcher.model.errors import Reason, RecordError, RefusedError, TemporaryError

AVRO = json.dumps({"schema": '"long"'}).encode()
OTHERS = [
    *((status, b"") for status in (301, 401, 403, 404, 429, 503)),
    *((200, body) for body in (b"<html>", b"\xff", b"{}")),
    *((404, body) for body in (b"<html>Not Found</html>", b'{"error_code":404,"message":"HTTP 404"}', b"\xff")),
    *((404, b'{"error_code":%d,"message":"not found"}' % code) for code in (40400, 40401, 40402)),
    *((404, body) for body in (b"404 page not found", b"default backend - 404", b'"40403"', b'[{"error_code":40403}]')),
    *((status, b'{"error_code":40403}') for status in (403, 500, 503)),
    (500, b"{}"),
    *((status, b'{"more": ' + b"[" * 100_000) for status in (200, 404)),
]
HEARD: list[tuple[str, str | None]] = []


@contextmanager
def registry(status: int, body: bytes) -> Iterator[str]:
    """A registry with one answer to everything."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            HEARD.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            """Keep the tests' output clean."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/apis/ccompat/v7"
        finally:
            server.shutdown()


def ask(status: int, body: bytes) -> str:
    with registry(status, body) as url:
        return RegistryClient(url, ("reader", "secret")).schema(7)


def test_a_schema_is_asked_for_by_its_id() -> None:
    """The path lies below the address that was given, whatever that is; the credentials go along."""
    HEARD.clear()

    assert ask(200, AVRO) == '"long"'
    assert HEARD == [("/apis/ccompat/v7/schemas/ids/7", "Basic cmVhZGVyOnNlY3JldA==")]


@pytest.mark.parametrize(("status", "refuses"), [(401, True), (403, True), (404, False), (503, False)])
def test_a_registry_that_lets_nobody_in_refuses_and_is_not_away(status: int, refuses: bool) -> None:
    """With the settings that are about it."""
    with pytest.raises(TemporaryError) as raised:
        ask(status, b"")

    assert isinstance(raised.value, RefusedError) is refuses
    assert ("check registry.username" in str(raised.value)) is refuses


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b'{"error_code":40403}'), (200, json.dumps({"schema": "x", "schemaType": "PROTOBUF"}).encode())],
)
def test_an_answer_that_will_not_change_is_the_records_fault(status: int, body: bytes) -> None:
    """No such id, or a schema of another kind: whoever asks again hears the same."""
    with pytest.raises(RecordError) as refused:
        ask(status, body)

    assert Reason.UNKNOWN_SCHEMA is refused.value.reason


@pytest.mark.parametrize(("status", "body"), OTHERS)
def test_any_other_answer_means_waiting(status: int, body: bytes) -> None:
    """A wrong password, a wrong base path or a proxy's page would make a dead letter of every record."""
    with pytest.raises(TemporaryError) as away:
        ask(status, body)

    assert "secret" not in str(away.value)


def test_no_answer_means_waiting() -> None:
    """Nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        client = RegistryClient(f"http://127.0.0.1:{reserved.getsockname()[1]}")

        with pytest.raises(TemporaryError):
            client.schema(7)
