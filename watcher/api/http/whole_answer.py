"""Sends an answer that is known as a whole in one write.

uvicorn takes head and body as two messages and looks at every character of every header for what must not be in one.
Ours are made here, of numbers and constants, and there is one of them a vote.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Header = tuple[bytes, bytes]

_LINE: Final = b"%b: %b\r\n"
_CLOSE: Final = b"connection: close\r\n"


def sent_whole(send: Callable[[Any], Awaitable[None]], status: int, headers: Sequence[Header], body: bytes) -> bool:
    """Send an answer at once, if nothing stands between us and the server, and the client takes what it is sent.

    Args:
        send: of the ASGI application; anything but the server's own is left alone.
        status: HTTP status.
        headers: all but date and connection, safe as they are.
        body: as long as the headers say.

    Returns:
        Whether it was sent; if not, nothing was, and ``send`` has to be used.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.response_started or cycle.scope["method"] == "HEAD":
        return False
    if cycle.flow.write_paused or cycle.disconnected or cycle.transport.is_closing():
        return False
    head = [STATUS_LINE[status], *map(_LINE.__mod__, cycle.default_headers), *map(_LINE.__mod__, headers)]
    if _CLOSE in head:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        head.append(_CLOSE)
    head += (b"\r\n", body)
    cycle.transport.write(b"".join(head))
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
