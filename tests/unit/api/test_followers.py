"""Followers of one crucible, over real connections: who takes nothing is cut off, who was there goes on from there."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import Gauge

from watcher.api.http import server, uvicorn_internals
from watcher.api.http.connections import Connections
from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.http.server import ApiServer
from watcher.api.identity.auth import Principal
from watcher.api.identity.followers import Followers
from watcher.api.identity.users import User
from watcher.api.resources import stream
from watcher.api.voting import boards
from watcher.api.voting.board_looks import BoardLooks
from watcher.api.voting.boards import Boards
from watcher.api.voting.crucibles import Crucible, Crucibles
from watcher.api.voting.disclosure import Disclosure
from watcher.api.voting.endings import Endings
from watcher.api.voting.standings import Page, Standings
from watcher.api.wire import Standing
from watcher.model.judge_requirements import judge_requirements

SOMEBODY = User(banned=False, muted=False, deleted=False, browsing_level=1, show_nsfw=False, score=None)

EVERYBODY = Followers(cast("Any", None), cast("Any", None))
"""Looked at by nobody here."""


class Known:
    """Every crucible is there."""

    async def find(self, crucible_id: int) -> Crucible:
        return Crucible(
            id=crucible_id, name="", status="Active", level=1, start_ms=None, end_ms=None,
            requirements=judge_requirements(None), live=False,
        )  # fmt: skip


class Moving:
    """A hundred entries; while it moves all of them change with each look."""

    def __init__(self, *, moves: bool) -> None:
        self.moves, self.turn = moves, 0

    async def page(self, crucible: Crucible, offset: int, limit: int) -> Page:
        self.turn += self.moves
        return Page([Standing(at, at, 1_500 + self.turn, self.turn) for at in range(1, limit + 1)], limit)


class Somebody:
    """A follower."""

    def __init__(self, user_id: int) -> None:
        self.user_id, self.ended = user_id, False

    def end(self) -> None:
        self.ended = True


def boards_of(standings: Moving, most_streams: int = 100) -> Boards:
    gauge = Gauge("followers", "of this test", registry=None)
    known = cast("Crucibles", Known())
    looks = BoardLooks(
        cast("Any", None),
        crucibles=known,
        standings=cast("Standings", standings),
        endings=Endings(cast("Any", None)),
        disclosure=Disclosure(cast("Any", None), "live"),
        rendering=stream.RENDERING,
    )
    return Boards(looks, gauge, most_streams)


async def answer(followed: Boards, headers: Sequence[tuple[bytes, bytes]] = (), crucible_id: int = 1) -> Response:
    """What somebody who wants to follow is answered."""
    services: Any = SimpleNamespace(crucibles=Known(), boards=followed, followers=EVERYBODY)
    principal = Principal(7, time.time() + 600.0)
    request = Request(principal, SOMEBODY, {"id": crucible_id}, headers, cast("Any", None))
    return await stream.stream(services, request)


@asynccontextmanager
async def served(followed: Boards) -> AsyncIterator[ApiServer]:
    """The server with streams and nothing else."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await answer(followed, scope["headers"])).send((), receive, send)

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    listening.setblocking(False)
    running = ApiServer(app, listening, seconds_left=lambda: 1.0, stopping=followed.stop, connections=Connections(100))
    serving = asyncio.create_task(running.serve())
    running.at = listening.getsockname()  # type: ignore[attr-defined]
    try:
        yield running
    finally:
        running.stop()
        await asyncio.wait_for(serving, 10)
        listening.close()


async def follow(at: Any, **headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*at, limit=2**20)
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "x", **headers}.items())
    writer.write(f"GET / HTTP/1.1\r\n{head}\r\n".encode())
    return reader, writer


async def event(reader: asyncio.StreamReader) -> bytes:
    """The next event's id."""
    return (await asyncio.wait_for(reader.readuntil(b"\nid: "), 5), await reader.readline())[1].strip()


async def test_who_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is torn and its place is free; meanwhile and afterwards another sees each change."""
    monkeypatch.setattr("watcher.api.voting.board.POLL_SECONDS", 0.005)
    monkeypatch.setattr(uvicorn_internals, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(server, "SWEEP_SECONDS", 0.05)
    followed = boards_of(Moving(moves=True))
    async with served(followed) as running:
        dead = socket.socket()
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        dead.connect(running.at)  # type: ignore[attr-defined]
        dead.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reader, writer = await follow(running.at)  # type: ignore[attr-defined]
        both, seen = False, 0
        async with asyncio.timeout(20):
            while not both or followed._streams == 2:
                both = both or followed._streams == 2
                await event(reader)
                seen += 1

        assert seen > 10
        assert len({await event(reader) for _ in range(10)}) == 10
        dead.settimeout(5)
        left = b"".join(iter(lambda: dead.recv(65_536), b""))  # what the kernel still held, and then its end
        assert not left.endswith(b"0\r\n\r\n")  # torn, and not brought to an end
        dead.close()
        writer.close()


async def test_who_was_there_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that the client names as its last is not sent again; what comes after it is, and so is any other."""
    monkeypatch.setattr("watcher.api.voting.board.POLL_SECONDS", 0.005)
    standings = Moving(moves=False)
    async with served(boards_of(standings)) as running:
        at = running.at  # type: ignore[attr-defined]
        reader, first = await follow(at)
        last = await event(reader)
        other, second = await follow(at, **{"Last-Event-ID": last.decode()})
        third, stranger = await follow(at, **{"Last-Event-ID": "another"})
        assert await event(third) == last
        standings.turn = 1
        changed = await event(reader)

        assert await event(other) == changed != last
        for writer in (first, second, stranger):
            writer.close()


async def test_who_may_follow_no_more() -> None:
    """The stream comes to its end, as a whole answer does; that of somebody else goes on."""
    async with served(boards_of(Moving(moves=False))) as running:
        at = running.at  # type: ignore[attr-defined]
        reader, writer = await follow(at)
        await event(reader)
        (follower,) = EVERYBODY._open
        other, second = await follow(at)
        await event(other)
        follower.end()

        await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 5)
        assert len(EVERYBODY._open) == 1
        for one in (writer, second):
            one.close()


async def test_so_many_crucibles_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; one that is followed already is not."""
    monkeypatch.setattr(boards, "MAX_BOARDS", 1)
    followed = boards_of(Moving(moves=False))
    seven = Somebody(7)
    board = followed.enter(1, seven)

    await answer(followed, crucible_id=1)
    with pytest.raises(ProblemError, match="overloaded"):
        await answer(followed, crucible_id=2)
    followed.leave(board, seven)
    await answer(followed, crucible_id=2)


async def test_accounts_do_not_take_all_streams_from_the_next_one() -> None:
    """Where all are taken, the newest of whoever has most ends; one each is nobody's to take."""
    followed = boards_of(Moving(moves=False), 16)
    greedy = [Somebody(user_id) for user_id in (1, 2) for _ in range(8)]
    places = [followed.enter(1, one) for one in greedy]
    with pytest.raises(ProblemError, match="too_many_streams"):
        followed.check_room(1, 1)

    comers = [Somebody(user_id) for user_id in range(3, 17)]
    for one in comers:
        followed.check_room(1, one.user_id)
        followed.enter(1, one)

    assert [one.ended for one in greedy] == ([False] + [True] * 7) * 2
    assert not any(one.ended for one in comers)
    with pytest.raises(ProblemError, match="overloaded"):
        followed.check_room(1, 17)
    for board, one in zip(places, greedy, strict=True):
        followed.leave(board, one)
    followed.check_room(1, 17)


async def test_one_account_does_not_take_all_crucibles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where as many are followed as may, one that only whoever has most follows makes room for the next."""
    monkeypatch.setattr(boards, "MAX_BOARDS", 4)
    followed = boards_of(Moving(moves=False))
    greedy = [Somebody(1) for _ in range(4)]
    for crucible_id, one in enumerate(greedy, 1):
        followed.enter(crucible_id, one)
    followed.enter(4, Somebody(2))

    followed.check_room(5, 3)

    assert [one.ended for one in greedy] == [False, False, True, False]
