"""Whether the images of entries may be shown at this moment, for votes: asked together, and remembered for a second.

A vote looks at two entries, and thousands of votes a second at the same ones. So an answer stands for ``FRESH_SECONDS``
and is asked for anew while it stands, for all entries at once: one question is under way and one is gathered, however
many vote. Where judges keep voting, none of them waits.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextvars import Context
from typing import Final

from cachetools import LRUCache

from watcher.api.site_problem import site_problem
from watcher.model.errors import TemporaryError
from watcher.model.visibility import Moderation, hidden
from watcher.postgres.site.images import SiteImages

FRESH_SECONDS: Final = 1.0
"""Seconds for which an answer stands. Longer: votes count on an image for so long after it was hidden; shorter: more
questions."""
ASK_AGAIN_SECONDS: Final = 0.5
"""Seconds after which an entry that is voted on is asked for again, before its answer stands no more."""
MAX_ENTRIES: Final = 1_000
"""Entries of one question."""
MAX_REMEMBERED_ENTRIES: Final = 50_000
"""Entries that are remembered; above it the one that was voted on longest ago is asked for again."""

_Seen = tuple[Moderation | None, float]


class EntrySight:
    """What the site says of the images of entries.

    Args:
        images: asks the site.
        clock: monotonic seconds.
    """

    def __init__(self, images: SiteImages, clock: Callable[[], float] = time.monotonic) -> None:
        self._images, self._clock = images, clock
        self._seen: LRUCache[int, _Seen] = LRUCache(MAX_REMEMBERED_ENTRIES)
        self._gathered: tuple[set[int], asyncio.Task[None]] | None = None
        """The question that is about to be asked: its entries, to which more may be added."""
        self._under_way: asyncio.Task[None] | None = None

    async def are_visible(self, entries: Sequence[int], crucible_level: int, levels: int) -> bool:
        """Return whether somebody may see all of some entries; of those that the site does not have nothing is said.

        Args:
            entries: their ids.
            crucible_level: levels that the crucible allows, as flags.
            levels: levels that somebody sees there, as flags.

        Raises:
            ProblemError: ``postgres_away`` or ``overloaded``.
        """
        age = self._age(entries)
        if age > FRESH_SECONDS:
            try:
                await asyncio.shield(self._together(entries))
            except TemporaryError as error:
                raise site_problem(error) from error
        elif age > ASK_AGAIN_SECONDS:
            self._together(entries)
        found = (self._seen[one][0] for one in entries if one in self._seen)
        return all(
            one is None or (hidden(one, crucible_level) is None and bool(one.nsfw_level & levels)) for one in found
        )

    def _age(self, entries: Sequence[int]) -> float:
        """Return how old the oldest answer is, in seconds."""
        now = self._clock()
        return max(now - seen[1] if (seen := self._seen.get(one)) is not None else float("inf") for one in entries)

    def _together(self, entries: Collection[int]) -> "asyncio.Task[None]":
        """Return the question that these entries are asked for with."""
        if self._gathered is None or len(self._gathered[0]) >= MAX_ENTRIES:
            gathered: set[int] = set()
            # In a context of its own: it is nobody's share of the database that this is charged to.
            asking = asyncio.get_running_loop().create_task(self._ask(gathered, self._under_way), context=Context())
            asking.add_done_callback(_heard)
            self._gathered, self._under_way = (gathered, asking), asking
        wanted, task = self._gathered
        wanted.update(entries)
        return task

    async def _ask(self, entries: set[int], before: "asyncio.Task[None] | None") -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        if self._gathered is not None and self._gathered[0] is entries:
            self._gathered = None
        now = self._clock()
        images = await self._images.of_entries(sorted(entries))
        for one in entries:
            self._seen[one] = images.get(one), now


def _heard(asking: "asyncio.Task[None]") -> None:
    if not asking.cancelled():
        asking.exception()  # whoever waits for it is told; nobody may
