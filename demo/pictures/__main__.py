"""``python -m demo.pictures``: the site's images as a process of its own, until SIGTERM."""

import argparse
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from urllib.parse import unquote, urlsplit

from demo.pictures.picture import picture

MAX_NAME_CHARACTERS = 100
"""Characters of a name; longer ones are no image of ours."""


class PictureRequest(BaseHTTPRequestHandler):
    """``GET /<name>`` draws the picture of that name."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer with the picture of that name as SVG, or 404 for a name that no image of the site has."""
        name = unquote(urlsplit(self.path).path)[1:]
        found = name and len(name) <= MAX_NAME_CHARACTERS and "/" not in name
        body = picture(name).encode() if found else b"no such image"
        self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "image/svg+xml" if found else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "public, max-age=3600, immutable")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'")  # opened by itself, it is a document
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody wants to know."""


class PictureServer(ThreadingHTTPServer):
    """One thread a connection; browsers keep them open."""

    daemon_threads = True


def main() -> int:
    """Serve pictures until SIGTERM, on the address that is printed first; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.pictures", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    with PictureServer((given.host, given.port), PictureRequest) as server:
        print(f"http://{given.host}:{server.server_port}/", flush=True)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return 0
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
