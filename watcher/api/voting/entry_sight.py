"""Whether the images of entries may be shown at this moment, for votes: asked together, and remembered for a second.

A vote looks at two entries, and thousands of votes a second at the same ones. So an answer stands for ``FRESH_SECONDS``
and is asked for anew while it stands, for all entries at once: one question is under way and one is gathered, however
many vote. One that nobody waits for gathers for a while; where judges keep voting, none of them waits. What an answer
means is worked out once, not at each vote.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any, Final

from watcher.api.site_problem import site_problem
from watcher.model.errors import TemporaryError
from watcher.model.visibility import ALL_LEVELS, admitted_level
from watcher.postgres.site.images import SiteImages

FRESH_SECONDS: Final = 1.0
"""Seconds for which an answer stands. Longer: votes count on an image for so long after it was hidden; shorter: more
questions."""
ASK_AGAIN_SECONDS: Final = 0.5
"""Seconds after which an entry that is voted on is asked for again, before its answer stands no more."""
GATHER_SECONDS: Final = 0.2
"""Seconds for which entries gather whose answers still stand. With the half second before, and with the question, an
answer is less than a second old when the next one is there."""
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
        self._gathered: _Question | None = None
        """The one that is about to be asked, to which entries may be added."""
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
                question = self._together(pair)
                question.somebody_waits.set()
                await asyncio.shield(question.asking)
            except TemporaryError as error:
                raise site_problem(error) from error
            one, other = (self._seen.get(entry, _UNKNOWN)[0] for entry in pair)
        elif age > ASK_AGAIN_SECONDS:
            self._together(pair)
        return bool(one & levels and other & levels)

    def _together(self, entries: Collection[int]) -> "_Question":
        """Return the question that these entries are asked for with."""
        question = self._gathered
        if question is None or len(question.entries) >= MAX_ENTRIES:
            # In a context of its own: it is nobody's share of the database that this is charged to.
            question = _Question(partial(self._ask, before=self._under_way), Context())
            self._gathered, self._under_way = question, question.asking
        question.entries.update(entries)
        return question

    async def _ask(self, question: "_Question", before: "asyncio.Task[None] | None") -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                await question.somebody_waits.wait()
        if before is not None and not before.done():
            await asyncio.wait([before])
        if self._gathered is question:
            self._gathered = None
        entries = question.entries
        now = self._clock()
        images = await self._images.of_entries(sorted(entries))
        seen = self._seen
        for one in entries:
            seen.pop(one, None)
            seen[one] = (admitted_level(images[one], ALL_LEVELS) if one in images else ALL_LEVELS), now
        while len(seen) > MAX_REMEMBERED_ENTRIES:
            del seen[next(iter(seen))]


class _Question:
    """Entries that are asked for together.

    Args:
        ask: asks it, given this.
        context: what it is asked in.
    """

    def __init__(self, ask: "Callable[[_Question], Coroutine[Any, Any, None]]", context: Context) -> None:
        self.entries: set[int] = set()
        self.somebody_waits = asyncio.Event()
        self.asking = asyncio.get_running_loop().create_task(ask(self), context=context)
        self.asking.add_done_callback(_heard)


def _heard(asking: "asyncio.Task[None]") -> None:
    if not asking.cancelled():
        asking.exception()  # whoever waits for it is told; nobody may
