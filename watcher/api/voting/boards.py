"""Standings as they change: one poller a crucible, however many follow it.

It leaves its latest word in one slot, from which each follower takes what is there when it is ready: a slow one misses
words in between and holds nobody up.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import structlog

from watcher.api.http.problem import ProblemError
from watcher.api.voting.ask_redis import ask_redis_together
from watcher.api.voting.crucibles import Crucible, Crucibles
from watcher.api.voting.disclosure import Disclosed, Disclosure
from watcher.api.voting.endings import Endings
from watcher.api.voting.standings import Page, Standings
from watcher.api.wire import Ending
from watcher.postgres.fair_queue import ASKER, EVERYBODY
from watcher.redis import keys
from watcher.redis.link import Link

log = structlog.get_logger(__name__)

SHOWN_ENTRIES: Final = 100
"""Entries of an event."""
POLL_SECONDS: Final = 0.25
"""Seconds between two looks at a crucible that is followed."""
MAX_STREAMS_PER_USER: Final = 8
"""Streams of one user."""
MAX_STREAMS: Final = 5_000
"""Streams of this process, where it has room for four times as many connections."""
MAX_BOARDS: Final = 1_000
"""Crucibles that are followed at a time in this process, each of which is looked at ``1 / POLL_SECONDS`` times a
second."""
ENDING_SECONDS: Final = 1.0
"""Seconds between two looks at a crucible whose result is being worked out. Longer: it is seen later."""
DISCLOSURE_SECONDS: Final = 1.0
"""Seconds after which it is asked anew what followers may be told, though standings stand still: they skip pairs, too.
Whenever standings are read it is asked as well."""
FULL_READ_SECONDS: Final = 5.0
"""Seconds after which standings are read although nothing seems to have moved: an entry that comes as another goes
leaves their number as it was."""


class Rendering(NamedTuple):
    """How followers are sent what is new; what is equal has equal bytes."""

    standings: Callable[[Page, frozenset[int]], bytes]
    """Of a page, but for some entries."""
    ending: Callable[[Ending], bytes]


class Seen(NamedTuple):
    """What boards look at."""

    crucibles: Crucibles
    standings: Standings
    endings: Endings
    disclosure: Disclosure


class OpenStream(Protocol):
    """Somebody with an open stream, as :class:`watcher.api.identity.followers.Follower` is."""

    @property
    def user_id(self) -> int:
        """Return whose stream it is."""
        ...

    def end(self) -> None:
        """Have the stream end."""
        ...


class BoardLook(NamedTuple):
    """What one look at a crucible came to."""

    standings: Page
    ending: bytes
    """Empty while the crucible takes votes."""
    is_final: bool
    """Whether nothing changes any more."""


class Board:
    """The slot of one crucible, and its poller.

    Args:
        boards: all of them.
        crucible_id: which crucible.
    """

    def __init__(self, boards: "Boards", crucible_id: int) -> None:
        self._boards, self.crucible_id = boards, crucible_id
        self.followers: Counter[int] = Counter()
        """Streams by user."""
        self._page: Page | None = None
        self._events: dict[frozenset[int], bytes] = {}
        """The page as followers are sent it, by the entries that are left out."""
        self._told: dict[int, Disclosed] = {}
        """What followers may be told."""
        self.ending = b""
        """How the crucible ends, likewise; empty while it takes votes."""
        self.is_over = False
        """Nothing changes any more: the crucible is final or gone, or the process stops."""
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._polling = asyncio.create_task(self._poll())

    async def change(self, seconds: float, gone: "asyncio.Future[None]") -> bool:
        """Wait for a change, for so many seconds at most, or until somebody is gone; return whether there was any."""
        done, _ = await asyncio.wait([self._changed, gone], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def event(self, user_id: int) -> bytes:
        """Return the standings as a follower is sent them; empty before the first look, and while they are not told."""
        told = self._told.get(user_id)
        if told is None:
            try:
                told = self._told[user_id] = (await self._boards.told(self.crucible_id, [user_id]))[user_id]
            except ProblemError:
                return b""
        if self._page is None or told.refusal is not None:
            return b""
        veiled = told.veiled.intersection(one.entryId for one in self._page.entries) if told.veiled else told.veiled
        event = self._events.get(veiled)
        if event is None:
            event = self._events[veiled] = self._boards.rendering.standings(self._page, veiled)
        return event

    def end(self) -> None:
        """Tell followers that nothing changes any more."""
        self.is_over = True
        self._wake()

    def close(self) -> None:
        """Stop looking: nobody follows any more."""
        self._polling.cancel()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.get_running_loop().create_future()
        changed.set_result(None)

    def _take(self, look: BoardLook | None, told: Mapping[int, Disclosed]) -> None:
        """Keep what was seen, and wake followers if any of it is new."""
        changed = told != self._told
        self._told = dict(told)
        if look is not None and (look.standings, look.ending) != (self._page, self.ending):
            changed = True
            if look.standings != self._page:
                self._page, self._events = look.standings, {}
            self.ending = look.ending
        if changed:
            self._wake()

    async def _poll(self) -> None:
        ASKER.set(EVERYBODY)  # and not whoever came first
        sign, read_again, ask_again = None, 0.0, 0.0
        while not self.is_over:
            try:
                now = asyncio.get_running_loop().time()
                seen = await self._boards.sign(self.crucible_id)
                look = None
                if seen is None or seen != sign or now >= read_again:
                    look = await self._boards.look(self.crucible_id)
                    sign, read_again = seen, now + (ENDING_SECONDS if look.ending else FULL_READ_SECONDS)
                told: Mapping[int, Disclosed] = self._told
                if look is not None or now >= ask_again:  # not before the standings: what is told must be as new
                    told, ask_again = (
                        await self._boards.told(self.crucible_id, list(self.followers)),
                        now + DISCLOSURE_SECONDS,
                    )
                self._take(look, told)
                if look is not None and look.is_final:
                    self.end()
            except ProblemError as problem:
                if problem.status == 404:
                    self.end()
            except Exception:
                log.exception("stream.failed", crucible=self.crucible_id)
            await asyncio.sleep(POLL_SECONDS)


class Boards:
    """Every crucible that somebody follows in this process.

    Args:
        link: the live state.
        seen: what is looked at.
        rendering: makes of it what followers are sent.
        gauge: how many follow.
        most_streams: at a time.
    """

    def __init__(
        self, link: Link, seen: Seen, rendering: Rendering, gauge: Any, most_streams: int = MAX_STREAMS
    ) -> None:
        self._link, self._seen, self.rendering, self._gauge = link, seen, rendering, gauge
        self._most_streams = most_streams
        self._boards: dict[int, Board] = {}
        self._of_user: dict[int, dict[OpenStream, Board]] = {}
        """By user: the streams that count, the oldest first."""
        self._streams = 0
        self._is_stopping = False

    def stop(self) -> None:
        """End every stream, so that the server can."""
        self._is_stopping = True
        for board in self._boards.values():
            board.end()

    def check_room(self, crucible_id: int, user_id: int) -> None:
        """Let those pass for whom there is room, or can be made: whoever has most streams gives way to one with less.

        Raises:
            ProblemError: ``stopping``, ``too_many_streams`` or ``overloaded``.
        """
        if self._is_stopping:  # a stream that began now would end with nobody to end it
            raise ProblemError("stopping")
        own = len(self._of_user.get(user_id, ()))
        if own >= MAX_STREAMS_PER_USER:
            raise ProblemError("too_many_streams")
        if crucible_id not in self._boards and len(self._boards) >= MAX_BOARDS:
            self._make_room(own, frees_board=True)
        if self._streams >= self._most_streams:
            self._make_room(own, frees_board=False)

    def _make_room(self, own: int, *, frees_board: bool) -> None:
        """End a stream of whoever has most of them.

        Args:
            own: streams of who comes; only somebody who keeps more than that gives way.
            frees_board: end one that its board has no other follower than.

        Raises:
            ProblemError: ``overloaded``.
        """
        for streams in sorted(self._of_user.values(), key=len, reverse=True):
            if len(streams) <= own + 1:
                break
            for follower, board in reversed(streams.items()):
                if board.followers.total() == 1 or not frees_board:
                    self.leave(board, follower)
                    follower.end()
                    return
        raise ProblemError("overloaded")

    def enter(self, crucible_id: int, follower: OpenStream) -> Board:
        """Return the board of a crucible for one more who follows it; to be given back by :meth:`leave`."""
        board = self._boards.get(crucible_id)
        if board is None or board.is_over:
            board = self._boards[crucible_id] = Board(self, crucible_id)
        board.followers[follower.user_id] += 1
        self._of_user.setdefault(follower.user_id, {})[follower] = board
        self._streams += 1
        self._gauge.inc()
        return board

    def leave(self, board: Board, follower: OpenStream) -> None:
        """Follow no more; the last one closes the board. Does nothing for one who gave way before."""
        streams = self._of_user.get(follower.user_id, {})
        if streams.pop(follower, None) is None:
            return
        if not streams:
            del self._of_user[follower.user_id]
        self._streams -= 1
        self._gauge.dec()
        board.followers[follower.user_id] -= 1
        if not board.followers[follower.user_id]:
            del board.followers[follower.user_id]
        if not board.followers:
            board.close()
            if self._boards.get(board.crucible_id) is board:
                del self._boards[board.crucible_id]

    async def sign(self, crucible_id: int) -> tuple[Any, ...] | None:
        """Return what differs once standings moved, and costs little to ask; None: they have to be read to know.

        Raises:
            ProblemError: nobody can tell.
        """
        crucible = await self._seen.crucibles.find(crucible_id)
        if not crucible.live:
            return None
        votes, entries = await ask_redis_together(
            self._link, ("HMGET", keys.state(crucible_id), "epoch", "seq"), ("ZCARD", keys.standings(crucible_id))
        )
        return (*votes, entries, crucible.finished, crucible.frozen)

    async def look(self, crucible_id: int) -> BoardLook:
        """Return what followers are to be sent, and whether it is the last.

        Raises:
            ProblemError: nobody can tell.
        """
        crucible: Crucible = await self._seen.crucibles.find(crucible_id)
        page = await self._seen.standings.page(crucible, 0, SHOWN_ENTRIES)
        ending = await self._seen.endings.of(crucible)
        rendered = b"" if ending is None else self.rendering.ending(ending)
        return BoardLook(page, rendered, crucible.finished)

    async def told(self, crucible_id: int, user_ids: Sequence[int]) -> Mapping[int, Disclosed]:
        """Return what each of some users may be told of a crucible's standings.

        Raises:
            ProblemError: nobody can tell.
        """
        return await self._seen.disclosure.to_each(await self._seen.crucibles.find(crucible_id), user_ids)
