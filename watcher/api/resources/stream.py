"""``GET /v1/crucibles/{id}/stream``: standings as they change, as server-sent events.

A client that takes nothing any more is cut off by the server (``http/uvicorn_internals.py``).
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import xxhash
from msgspec import Struct

from watcher.api.http.asgi import Header, Receive, Send
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.identity.followers import Follower, Followers
from watcher.api.identity.users import may_follow
from watcher.api.route import CRUCIBLE, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.voting.board import Board
from watcher.api.voting.board_looks import Rendering
from watcher.api.voting.boards import Boards
from watcher.api.voting.standings import Page
from watcher.api.wire import Ending, Standing, encode

HEARTBEAT_SECONDS: Final = 15.0
"""Seconds of silence after which a comment is sent, so that both sides notice a dead connection."""
RECONNECT_MS: Final = 2_000
"""Milliseconds after which a browser's own client connects again."""

_HEADERS: Final[Sequence[Header]] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),  # a proxy that compresses would hold events back for ever
    (b"x-accel-buffering", b"no"),
)


class StandingsEvent(Struct, frozen=True):
    """The top of the standings, as the stream sends it with each change."""

    entries: list[Standing]
    """Without the two of the pair that is open to the asker."""
    total: int


def event(page: Page, veiled: frozenset[int]) -> bytes:
    """Return standings as an event, whose id is that of its content; without some entries."""
    entries = [one for one in page.entries if one.entryId not in veiled] if veiled else page.entries
    body = encode(StandingsEvent(entries, page.total))
    return b"%sdata: %s\n\n" % (_head(xxhash.xxh3_64_hexdigest(body).encode()), body)


def ending_event(ending: Ending) -> bytes:
    """Return how a crucible ends as an event; without an id, so that a client's place is that of the standings."""
    return b"event: ending\ndata: %s\n\n" % encode(ending)


RENDERING: Final = Rendering(event, ending_event)
"""What followers are sent."""


async def stream(services: Services, request: Request) -> Response:
    """Answer a stream, if there is room for one more.

    Raises:
        ProblemError: there is none, or no such crucible, or the asker may not follow it.
    """
    may_follow(request.user)
    crucible = await services.crucibles.find(request.params["id"])
    services.boards.check_room(crucible.id, request.user_id)
    return _Stream(services.boards, services.followers, crucible.id, request)


class _Head(Response):
    """What a HEAD is answered, instead of a stream that nobody would see."""

    async def send(self, more: Sequence[Header], receive: Receive, send: Send) -> None:
        """Send the headers of a stream, whose length nobody knows."""
        del receive
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *more]})
        await send({"type": "http.response.body", "body": b""})


class _Stream(Response):
    """A stream that begins when it is sent."""

    __slots__ = ("_boards", "_crucible_id", "_expires", "_followers", "_held", "_request")

    def __init__(self, boards: Boards, followers: Followers, crucible_id: int, request: Request) -> None:
        super().__init__(b"", 200)
        self._boards, self._followers, self._request = boards, followers, request
        self._crucible_id = crucible_id
        self._expires = request.principal.expires
        last = request.header(b"last-event-id")
        self._held = None if last is None else _head(last)

    def head(self) -> Response:
        """Return the headers alone."""
        return _Head(b"")

    async def send(self, more: Sequence[Header], receive: Receive, send: Send) -> None:
        """Send events until the client goes or may not follow any more, the crucible is final or the server stops."""
        headers = [*_HEADERS, *more]
        with self._followers.following(self._request) as follower:
            board = self._boards.enter(self._crucible_id, follower)
            following = asyncio.ensure_future(self._follow(board, follower, headers, send))
            leaving = asyncio.ensure_future(_hung_up(receive))
            try:
                await asyncio.wait([following, leaving], return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result()
            finally:
                self._boards.leave(board, follower)
                for task in (following, leaving):
                    task.cancel()
                await asyncio.gather(following, leaving, return_exceptions=True)

    async def _follow(self, board: Board, follower: Follower, headers: Sequence[Header], send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send_part(send, b"retry: %d\n\n" % RECONNECT_MS)
        sent = told = b""
        while True:
            latest, ending = await board.event(follower.user_id), board.ending
            if ending and ending != told:
                told = ending
                await _send_part(send, ending)
                continue
            if latest and latest != sent:
                is_held = not sent and self._held is not None and latest.startswith(self._held)
                sent = latest
                if not is_held:  # else it is where the client's last stream ended
                    await _send_part(send, latest)
                continue
            left_seconds = self._expires - time.time()
            if board.is_over or left_seconds <= 0 or follower.gone.done():
                break
            if not await board.change(min(HEARTBEAT_SECONDS, left_seconds), follower.gone):
                await _send_part(send, b": still here\n\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


def _head(version: bytes) -> bytes:
    return b"event: standings\nid: %s\n" % version


async def _hung_up(receive: Receive) -> None:
    """Wait until the client hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


ROUTES: Final = (
    Route(
        name="stream",
        method="GET",
        path="/v1/crucibles/{id}/stream",
        handle=stream,
        summary="The top of the standings, as it changes, and how the crucible ends",
        detail="Server-sent events named `standings`; and `ending`, with what the crucible's answer has as `ending`: "
        "once votes are over, and whenever more is known. A slow client misses what was overtaken. A comment comes "
        "after 15 s of silence. It ends when the crucible is final, the server stops, or the asker may not follow any "
        "more: the token expired or its key was withdrawn, or the user was banned. Where there is no room for another, "
        "one of whoever has most ends.",
        params=(CRUCIBLE,),
        answer=StandingsEvent,
        is_stream=True,
        problems=(*OF_A_CRUCIBLE, "user_banned", "user_deleted", "too_many_streams", "stopping"),
    ),
)
