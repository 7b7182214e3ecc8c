"""The least that the votes' server can do.

An empty Starlette application that decodes a POST and answers, with msgspec, on the same server with the same settings.
``python -m benchmarks.hello`` prints its port and serves until SIGTERM.
"""

import gc
import signal
import socket
import sys

import msgspec
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.api.http.connections import Connections
from watcher.api.http.server import ApiServer

MAX_CONNECTIONS = 20_000


class Body(msgspec.Struct):
    """The body of a request, as a vote's."""

    winner: int
    loser: int
    token: str


class HelloAnswer(msgspec.Struct):
    """The body of an answer, smaller than a vote's."""

    winner: int


_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode


async def hello(request: Request) -> Response:
    """Decode the body and answer with a part of it, as little as a vote could."""
    return Response(_encode(HelloAnswer(_decode(await request.body()).winner)), media_type="application/json")


def main() -> None:
    """Run as a program."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4_096)
    listening.setblocking(False)
    app = Starlette(routes=[Route("/v1/crucibles/{id}/votes", hello, methods=["POST"])])
    server = ApiServer(
        app, listening, seconds_left=lambda: 1.0, stopping=lambda: None, connections=Connections(MAX_CONNECTIONS)
    )
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvloop.run(server.serve())


if __name__ == "__main__":
    main()
