"""Answers as resources give them: encoded, and sent in one write where that can be done."""

from collections.abc import Sequence
from typing import Final

import xxhash

from watcher.api.http.asgi import Header, Receive, Send
from watcher.api.http.request import Request
from watcher.api.http.uvicorn_internals import sent_in_one_write

JSON: Final[Header] = (b"content-type", b"application/json")
PRIVATE: Final[Header] = (b"cache-control", b"private, no-store")


class Response:
    """What is sent back.

    Args:
        body: encoded.
        status: HTTP status.
        headers: besides length and limits.
        charged: whether it counts against the user's limit.
    """

    __slots__ = ("body", "charged", "headers", "status")

    def __init__(
        self, body: bytes, status: int = 200, headers: Sequence[Header] = (JSON, PRIVATE), *, charged: bool = True
    ) -> None:
        self.body, self.status, self.headers, self.charged = body, status, headers, charged

    def head(self) -> "Response":
        """Return what a HEAD is answered in its place; the server keeps the body to itself."""
        return self

    async def send(self, more: Sequence[Header], receive: Receive, send: Send) -> None:
        """Send it, with a length.

        Args:
            more: headers that every answer of the route has.
            receive: the client's side.
            send: our side.
        """
        del receive
        headers = [*self.headers, *more]
        if self.status != 304:
            headers.append((b"content-length", b"%d" % len(self.body)))
        if sent_in_one_write(send, self.status, headers, self.body):
            return
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def with_entity_tag(request: Request, body: bytes) -> Response:
    """Return an answer with a strong entity tag, or 304 when the asker has it already."""
    tag = b'"%s"' % xxhash.xxh3_128_hexdigest(body).encode()
    headers = (JSON, (b"etag", tag), (b"cache-control", b"private, no-cache"))
    held = request.header(b"if-none-match")
    if held is not None and names_tag(held, tag):
        return Response(b"", 304, headers[1:])
    return Response(body, headers=headers)


def names_tag(held: bytes, tag: bytes) -> bool:
    """Return whether ``If-None-Match`` names a tag; weak tags compare alike there (RFC 9110, 13.1.2).

    >>> names_tag(b'W/"a", "b"', b'"b"'), names_tag(b"*", b'"b"'), names_tag(b'"c"', b'"b"')
    (True, True, False)
    """
    tags = [one.strip().removeprefix(b"W/") for one in held.split(b",")]
    return tag in tags or tags == [b"*"]
