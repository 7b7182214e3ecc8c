"""Short questions to a port on loopback. Each returns an answer or None, never raises, and waits at most a second."""

from __future__ import annotations

import http.client
import socket

PATIENCE = 1.0


def listens(port: int) -> bool:
    """Tell whether something accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except OSError:
        return False
    return True


def http_status(port: int, path: str) -> int | None:
    """GET a path; return the status. Proxies of the environment are not asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def answer(port: int, line: bytes) -> bytes | None:
    """Send one line of text, return what comes back at first."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(line)
            return connection.recv(512)
    except OSError:
        return None
