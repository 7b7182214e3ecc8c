"""What a look at a crucible that is followed comes to: its standings, how it ends, and who may be told what of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from watcher.api.voting.ask_redis import ask_redis_together
from watcher.api.voting.crucibles import Crucible, Crucibles
from watcher.api.voting.disclosure import Disclosed, Disclosure
from watcher.api.voting.endings import Endings
from watcher.api.voting.standings import Page, Standings
from watcher.api.wire import Ending
from watcher.redis import keys
from watcher.redis.link import Link

SHOWN_ENTRIES: Final = 100
"""Entries of an event."""


class Rendering(NamedTuple):
    """How followers are sent what is new; what is equal has equal bytes."""

    standings: Callable[[Page, frozenset[int]], bytes]
    """Of a page, but for some entries."""
    ending: Callable[[Ending], bytes]


class BoardLook(NamedTuple):
    """What one look at a crucible came to."""

    standings: Page
    ending: bytes
    """Empty while the crucible takes votes."""
    is_final: bool
    """Whether nothing changes any more."""


class BoardLooks:
    """Looks at crucibles for their boards.

    Args:
        link: the live state.
        crucibles: finds them.
        standings: reads a page of them.
        endings: how crucibles end.
        disclosure: what each follower may be told.
        rendering: makes of it what followers are sent.
    """

    def __init__(
        self,
        link: Link,
        *,
        crucibles: Crucibles,
        standings: Standings,
        endings: Endings,
        disclosure: Disclosure,
        rendering: Rendering,
    ) -> None:
        self._link, self._crucibles, self._standings = link, crucibles, standings
        self._endings, self._disclosure, self.rendering = endings, disclosure, rendering

    async def sign(self, crucible_id: int) -> tuple[Any, ...] | None:
        """Return what differs once standings moved, and costs little to ask; None: they have to be read to know.

        Raises:
            ProblemError: nobody can tell.
        """
        crucible = await self._crucibles.find(crucible_id)
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
        crucible: Crucible = await self._crucibles.find(crucible_id)
        page = await self._standings.page(crucible, 0, SHOWN_ENTRIES)
        ending = await self._endings.of(crucible)
        rendered = b"" if ending is None else self.rendering.ending(ending)
        return BoardLook(page, rendered, crucible.finished)

    async def told(self, crucible_id: int, user_ids: Sequence[int]) -> Mapping[int, Disclosed]:
        """Return what each of some users may be told of a crucible's standings.

        Raises:
            ProblemError: nobody can tell.
        """
        return await self._disclosure.to_each(await self._crucibles.find(crucible_id), user_ids)
