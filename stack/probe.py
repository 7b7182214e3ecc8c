"""Short questions to a port on loopback. Each returns an answer or None, never raises, and waits a second at most."""

from __future__ import annotations

import http
import http.client
import socket

PATIENCE_SECONDS = 1.0


def listens(port: int) -> bool:
    """Tell whether something accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
    except OSError:
        return False
    return True


def http_status(port: int, path: str, patience: float = PATIENCE_SECONDS) -> int | None:
    """GET a path; return the status. Proxies of the environment are not asked."""
    answer = _get(port, path, patience)
    return answer and answer[0]


def http_text(port: int, path: str, patience: float = PATIENCE_SECONDS) -> str | None:
    """GET a path; return what comes with status 200. A whole HTTP client would cost forty times as much."""
    answer = _get(port, path, patience)
    return answer[1].decode() if answer and answer[0] == http.HTTPStatus.OK else None


def _get(port: int, path: str, patience: float) -> tuple[int, bytes] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def answer(port: int, line: bytes) -> bytes | None:
    """Send one line of text, return what comes back at first."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.sendall(line)
            return connection.recv(512)
    except OSError:
        return None
