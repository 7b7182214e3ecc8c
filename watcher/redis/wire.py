"""The bytes of one connection to Redis: commands out, answers in, in the same order.

A pipeline leaves at the end of the loop turn in which its first command was asked, or, while another is under way, when
that one's last answer is there: the busier Redis is, the more go together.

The protocol is hiredis', the connection ours: awaiting each call of redis-py costs three times as much.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis

from watcher.redis.leaving import says_it_is_no_primary

Command = Sequence[str | bytes | int]

MAX_WAITING_COMMANDS: Final = 20_000
"""Commands that may wait for answers. Above it a call fails at once: Redis is slower than what comes in, and a longer
queue would only make every answer late."""

_NOTHING: Final = object()
_LEFT: Final = ("UNBLOCKED", "NOAUTH")
"""Beginnings of errors that say that this is no longer the connection that we made."""


class LinkLostError(Exception):
    """Raised where there is no connection, or it was lost before the answer: whether the command ran is unknown."""


class Wire(asyncio.Protocol):
    """A connection, as long as it lasts.

    Args:
        loop: whose turns gather commands.
        on_error: told of each error that Redis answers.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_error: Callable[[str], None]) -> None:
        self._loop, self._on_error = loop, on_error
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._waiting: deque[asyncio.Future[Any] | None] = deque()
        self._outgoing: list[bytes | Callable[[], Command]] = []
        self._told: set[tuple[str | bytes | int, ...]] = set()
        self._under_way = 0  # answers that what was sent has yet to bring
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done once nothing can be asked any more."""

    def ask(self, command: Command | Callable[[], Command]) -> "asyncio.Future[Any]":
        """Send a command with the next pipeline, made up then if it is callable; return its answer.

        Raises:
            LinkLostError: at once, or from the future.
        """
        if len(self._waiting) >= MAX_WAITING_COMMANDS:
            raise LinkLostError("redis is slower than what is asked of it")
        answer = self._loop.create_future()
        self._send(command, answer)
        return answer

    def tell(self, command: Command) -> bool:
        """Send a command whose answer nobody needs; return False if too many wait already.

        Raises:
            LinkLostError: the connection was lost.
        """
        if len(self._waiting) >= MAX_WAITING_COMMANDS:
            return False
        self._send(command, None)
        return True

    def tell_once(self, command: tuple[str | bytes | int, ...]) -> None:
        """Send a command whose answer nobody needs, unless the same one already waits to be sent.

        Raises:
            LinkLostError: the connection was lost.
        """
        if command not in self._told and self.tell(command):  # one that was dropped was not told
            self._told.add(command)

    def _send(self, command: Command | Callable[[], Command], answer: "asyncio.Future[Any] | None") -> None:
        if self.lost.done():
            raise LinkLostError("the connection to redis was lost")
        if not self._outgoing and not self._under_way:
            self._loop.call_soon(self._flush)
        self._outgoing.append(command if callable(command) else _packed(command))
        self._waiting.append(answer)

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(_packed(one()) if callable(one) else one for one in self._outgoing))
        self._under_way = len(self._waiting)
        self._outgoing.clear()
        self._told.clear()

    def close(self) -> None:
        """Drop the connection, and fail everything that waits for an answer."""
        if self._transport is not None:
            self._transport.abort()
        self._fail()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection from the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear from the event loop that it is lost."""
        del exc
        self._fail()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the event loop, and hand answers to whoever asked, in the order in which they asked."""
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not _NOTHING:
                future = waiting.popleft()
                self._under_way -= 1
                if future is not None and not future.done():
                    future.set_result(answer)
                if isinstance(answer, hiredis.ReplyError):
                    self._on_error(str(answer))
                    if _is_lost(str(answer)):
                        self.close()
                        return
        except (hiredis.ProtocolError, IndexError):
            self.close()
            return
        if not self._under_way and self._outgoing:
            self._flush()

    def _fail(self) -> None:
        """Fail everything that waits for an answer; whether it was carried out is unknown."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for future in waiting:
            if future is not None and not future.done():
                future.set_exception(LinkLostError("the connection to redis was lost"))
                future.exception()  # seen: whoever asked may have gone
        if not self.lost.done():
            self.lost.set_result(None)


def _packed(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type] # its stub names one type too many
    return packed


def _is_lost(error: str) -> bool:
    return error.startswith(_LEFT) or says_it_is_no_primary(error)
