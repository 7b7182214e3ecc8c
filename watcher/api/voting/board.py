"""The board of a crucible: its latest word in one slot, from which each follower takes what is there when it is ready.

A slow follower misses words in between and holds nobody up.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import structlog

from watcher.api.http.problem import ProblemError
from watcher.api.voting.board_looks import BoardLook, BoardLooks
from watcher.api.voting.disclosure import Disclosed
from watcher.postgres.fair_queue import ASKER, EVERYBODY

if TYPE_CHECKING:
    from watcher.api.voting.standings import Page

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.25
"""Seconds between two looks at a crucible that is followed."""
ENDING_SECONDS: Final = 1.0
"""Seconds between two looks at a crucible whose result is being worked out. Longer: it is seen later."""
DISCLOSURE_SECONDS: Final = 1.0
"""Seconds after which it is asked anew what followers may be told, though standings stand still: they skip pairs, too.
Whenever standings are read it is asked as well."""
FULL_READ_SECONDS: Final = 5.0
"""Seconds after which standings are read although nothing seems to have moved: an entry that comes as another goes
leaves their number as it was."""


class Board:
    """The slot of one crucible, and its poller.

    Args:
        looks: looks at the crucible.
        crucible_id: which crucible.
    """

    def __init__(self, looks: BoardLooks, crucible_id: int) -> None:
        self._looks, self.crucible_id = looks, crucible_id
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
                told = self._told[user_id] = (await self._looks.told(self.crucible_id, [user_id]))[user_id]
            except ProblemError:
                return b""
        if self._page is None or told.refusal is not None:
            return b""
        veiled = told.veiled.intersection(one.entryId for one in self._page.entries) if told.veiled else told.veiled
        event = self._events.get(veiled)
        if event is None:
            event = self._events[veiled] = self._looks.rendering.standings(self._page, veiled)
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
                seen = await self._looks.sign(self.crucible_id)
                look = None
                if seen is None or seen != sign or now >= read_again:
                    look = await self._looks.look(self.crucible_id)
                    sign, read_again = seen, now + (ENDING_SECONDS if look.ending else FULL_READ_SECONDS)
                told: Mapping[int, Disclosed] = self._told
                if look is not None or now >= ask_again:  # not before the standings: what is told must be as new
                    told, ask_again = (
                        await self._looks.told(self.crucible_id, list(self.followers)),
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
