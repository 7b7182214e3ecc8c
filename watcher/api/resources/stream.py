"""Standings as they change: server-sent events.

One poller a crucible, however many follow it. It leaves its latest word in one slot, from which each client takes what
is there when it is ready: a slow client misses words in between and holds nobody up, and one that takes nothing any
more is cut off by the server (see ``server.py``).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
import xxhash

from watcher.api.http.guard import Answer, Ask, Receive, Send
from watcher.api.http.problem import ProblemError
from watcher.api.http.rate_limit import Header
from watcher.api.resources.asking import asked_together
from watcher.api.resources.bodies import StandingsEvent, encode
from watcher.api.resources.crucibles import Crucible, Crucibles
from watcher.api.resources.standings import Standings
from watcher.redis import keys
from watcher.redis.link import Link

log = structlog.get_logger(__name__)

TOP: Final = 100
"""Entries of an event."""
POLL: Final = 0.25
"""Seconds between two looks at a crucible that is followed."""
HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment is sent, so that both sides notice a dead connection."""
EACH: Final = 8
"""Streams of one user."""
ALL: Final = 5_000
"""Streams of this process."""
BOARDS: Final = 1_000
"""Crucibles that are followed at a time in this process, each of which is looked at ``1 / POLL`` times a second."""
WHOLE: Final = 5.0
"""Seconds after which standings are read although nothing seems to have moved: an entry that comes as another goes
leaves their number as it was."""
RETRY: Final = 2_000
"""Milliseconds after which a browser's own client connects again."""


class _Board:
    """The slot of one crucible, and its poller."""

    def __init__(self, hub: "Streams", crucible: Crucible) -> None:
        self._hub, self._crucible_id = hub, crucible.id
        self.followers = 0
        self.event = b""
        self.over = False
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._poll())

    async def change(self, seconds: float) -> bool:
        """Wait for a change; whether there was one in time."""
        done, _ = await asyncio.wait([self._changed], timeout=seconds)
        return bool(done)

    def show(self, event: bytes) -> None:
        self.event = event
        self.wake()

    def wake(self) -> None:
        changed, self._changed = self._changed, asyncio.get_running_loop().create_future()
        changed.set_result(None)

    async def _poll(self) -> None:
        last, sign, whole = b"", None, 0.0
        while not self.over:
            try:
                now = asyncio.get_running_loop().time()
                seen = await self._hub.sign(self._crucible_id)
                if seen is not None and seen == sign and now < whole:
                    await asyncio.sleep(POLL)
                    continue
                body, final = await self._hub.look(self._crucible_id)
                sign, whole = seen, now + WHOLE
                if body != last:
                    last = body
                    version = xxhash.xxh3_64_hexdigest(body).encode()
                    self.show(b"%sdata: %s\n\n" % (_head(version), body))
                if final:
                    self.over = True
                    self.wake()
            except ProblemError as problem:
                if problem.status == 404:
                    self.over = True
                    self.wake()
            except Exception:
                log.exception("stream.failed", crucible=self._crucible_id)
            await asyncio.sleep(POLL)


class Streams:
    """All streams of this process.

    Args:
        link: the live state.
        standings: reads them.
        crucibles: what is known of them.
        gauge: how many there are.
        clock: Unix seconds.
    """

    def __init__(
        self,
        link: Link,
        standings: Standings,
        crucibles: Crucibles,
        gauge: Any,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link, self._standings, self._crucibles = link, standings, crucibles
        self._gauge, self._clock = gauge, clock
        self._boards: dict[int, _Board] = {}
        self._of_user: dict[int, int] = {}
        self._stopping = False

    def stop(self) -> None:
        """End every stream, so that the server can."""
        self._stopping = True
        for board in self._boards.values():
            board.over = True
            board.wake()

    async def sign(self, crucible_id: int) -> tuple[Any, ...] | None:
        """What differs once standings moved, and costs little to ask; None: they have to be read to know.

        Raises:
            ProblemError: nobody can tell.
        """
        crucible = await self._crucibles.find(crucible_id)
        if not crucible.live:
            return None
        votes, entries = await asked_together(
            self._link, ("HMGET", keys.state(crucible_id), "epoch", "seq"), ("ZCARD", keys.standings(crucible_id))
        )
        return (*votes, entries, crucible.finished)

    async def look(self, crucible_id: int) -> tuple[bytes, bool]:
        """The event's content, and whether it is the last.

        Raises:
            ProblemError: nobody can tell.
        """
        crucible = await self._crucibles.find(crucible_id)
        page = await self._standings.page(crucible, 0, TOP)
        return encode(StandingsEvent(page.entries, page.total)), crucible.finished

    async def answer(self, ask: Ask) -> Answer:
        """``GET /v1/crucibles/{id}/stream``."""
        crucible = await self._crucibles.find(ask.given["id"])
        if self._stopping:  # asked after the wait: a stream that began now would end with nobody to end it
            raise ProblemError("stopping")
        if self._of_user.get(ask.user_id, 0) >= EACH:
            raise ProblemError("too_many_streams")
        if sum(self._of_user.values()) >= ALL or (crucible.id not in self._boards and len(self._boards) >= BOARDS):
            raise ProblemError("overloaded")
        return _Stream(self, crucible, ask.user_id, ask.principal.expires, ask.header(b"last-event-id"))

    def enter(self, crucible: Crucible, user_id: int) -> _Board:
        """One more follows."""
        board = self._boards.get(crucible.id)
        if board is None or board.over:
            board = self._boards[crucible.id] = _Board(self, crucible)
        board.followers += 1
        self._of_user[user_id] = self._of_user.get(user_id, 0) + 1
        self._gauge.inc()
        return board

    def leave(self, board: _Board, crucible: Crucible, user_id: int) -> None:
        """One less follows; whoever is last puts out the light."""
        self._gauge.dec()
        board.followers -= 1
        self._of_user[user_id] -= 1
        if not self._of_user[user_id]:
            del self._of_user[user_id]
        if not board.followers:
            board.task.cancel()
            if self._boards.get(crucible.id) is board:
                del self._boards[crucible.id]

    def left(self, expires: float) -> float:
        """Seconds until a token expires."""
        return expires - self._clock()


class _Stream(Answer):
    """A stream that begins when it is sent."""

    __slots__ = ("_crucible", "_expires", "_had", "_streams", "_user_id")

    def __init__(self, streams: Streams, crucible: Crucible, user_id: int, expires: float, had: bytes | None) -> None:
        super().__init__(b"", 200)
        self._streams, self._crucible, self._user_id, self._expires = streams, crucible, user_id, expires
        self._had = None if had is None else _head(had)

    async def send(self, more: Sequence[Header], receive: Receive, send: Send) -> None:
        """Send events until the client goes, its token expires, the crucible is final or the server stops."""
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            *more,
        ]
        board = self._streams.enter(self._crucible, self._user_id)
        following = asyncio.ensure_future(self._follow(board, headers, send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait([following, leaving], return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            self._streams.leave(board, self._crucible, self._user_id)
            for task in (following, leaving):
                task.cancel()
            await asyncio.gather(following, leaving, return_exceptions=True)

    async def _follow(self, board: _Board, headers: Sequence[Header], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._part(send, b"retry: %d\n\n" % RETRY)
        sent = b""
        while True:
            event = board.event
            if event is not sent:
                known = not sent and self._had is not None and event.startswith(self._had)
                sent = event
                if not known:  # else it is where the client's last stream ended
                    await self._part(send, event)
                continue
            left = self._streams.left(self._expires)
            if board.over or left <= 0:
                break
            if not await board.change(min(HEARTBEAT, left)):
                await self._part(send, b": still here\n\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _part(self, send: Send, part: bytes) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": True})


def _head(version: bytes) -> bytes:
    return b"event: standings\nid: %s\n" % version


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
