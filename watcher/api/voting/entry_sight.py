"""Whether the images of entries may be shown at this moment, for votes: asked together, and remembered for a second.

A vote looks at two entries, and thousands of votes a second at the same ones. So an answer stands for ``FRESH_SECONDS``
and is asked for anew while it stands, for all entries at once: one question is under way and one is gathered, however
many vote. Where judges keep voting, none of them waits. What an answer means is worked out once, not at each vote.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from contextvars import Context
from typing import Final

from watcher.api.site_problem import site_problem
from watcher.model.errors import TemporaryError
from watcher.model.visibility import ALL_LEVELS, admitted_level
from watcher.postgres.site.images import SiteImages

FRESH_SECONDS: Final = 1.0
"""Seconds for which an answer stands. Longer: votes count on an image for so long after it was hidden; shorter: more
questions."""
ASK_AGAIN_SECONDS: Final = 0.5
"""Seconds after which an entry that is voted on is asked for again, before its answer stands no more."""
MAX_ENTRIES: Final = 1_000
"""Entries of one question."""
MAX_REMEMBERED_ENTRIES: Final = 50_000
"""Entries that are remembered; above it the one that was asked for longest ago is asked for again."""
_UNKNOWN: Final = 0, float("-inf")


class EntrySight:
    """What the site says of the images of entries.

    Args:
        images: asks the site.
        clock: monotonic seconds.
    """

    def __init__(self, images: SiteImages, clock: Callable[[], float] = time.monotonic) -> None:
        self._images, self._clock = images, clock
        self._seen: dict[int, tuple[int, float]] = {}
        """By entry: the levels that somebody has to see one of, and when that was asked for; the latest at the end."""
        self._gathered: tuple[set[int], asyncio.Task[None]] | None = None
        """The question that is about to be asked: its entries, to which more may be added."""
        self._under_way: asyncio.Task[None] | None = None

    async def are_visible(self, pair: tuple[int, int], levels: int) -> bool:
        """Return whether somebody may see both of two entries; of one that the site does not have nothing is said.

        Args:
            pair: their ids.
            levels: levels that somebody sees in the crucible, as flags; none that it does not allow.

        Raises:
            ProblemError: ``postgres_away`` or ``overloaded``.
        """
        now = self._clock()
        one, asked_at = self._seen.get(pair[0], _UNKNOWN)
        other, other_asked_at = self._seen.get(pair[1], _UNKNOWN)
        age = now - min(asked_at, other_asked_at)
        if age > FRESH_SECONDS:
            try:
                await asyncio.shield(self._together(pair))
            except TemporaryError as error:
                raise site_problem(error) from error
            one, other = (self._seen.get(entry, _UNKNOWN)[0] for entry in pair)
        elif age > ASK_AGAIN_SECONDS:
            self._together(pair)
        return bool(one & levels and other & levels)

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
        seen = self._seen
        for one in entries:
            seen.pop(one, None)
            seen[one] = (admitted_level(images[one], ALL_LEVELS) if one in images else ALL_LEVELS), now
        while len(seen) > MAX_REMEMBERED_ENTRIES:
            del seen[next(iter(seen))]


def _heard(asking: "asyncio.Task[None]") -> None:
    if not asking.cancelled():
        asking.exception()  # whoever waits for it is told; nobody may
