"""Who leads: pages of the standings, from Redis while the crucible is live, from PostgreSQL when it is finished."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from watcher.api.site_problem import site_problem
from watcher.api.voting.ask_redis import ask_redis, ask_redis_together
from watcher.api.voting.crucibles import Crucible
from watcher.api.wire import Standing
from watcher.model.errors import TemporaryError
from watcher.redis import keys
from watcher.redis.link import Link

FetchPage = Callable[[int, int, int], Awaitable[list[dict[str, Any]]]]
"""Returns final standings of a crucible, by offset and limit. Raises ``TemporaryError``."""
FetchCount = Callable[[int], Awaitable[tuple[int, bool]]]
"""Returns how many entries the final standings of a crucible have, and whether places are written. Raises
``TemporaryError``."""


class Page(msgspec.Struct, frozen=True):
    """A page of standings, and the number of all entries."""

    entries: list[Standing]
    total: int
    final: bool = False
    """Whether it will stay so."""


class Standings:
    """Reads the standings of crucibles.

    Args:
        link: the live state.
        fetch: asks PostgreSQL for a page.
        count: asks PostgreSQL how much there is.
    """

    def __init__(self, link: Link, fetch: FetchPage, count: FetchCount) -> None:
        self._link, self._fetch, self._count = link, fetch, count

    async def page(self, crucible: Crucible, offset: int, limit: int) -> Page:
        """Return part of the standings, live or final.

        Raises:
            ProblemError: nobody can tell.
        """
        if not crucible.finished:
            return await self.live(crucible.id, offset, limit)
        try:
            total, placed = await self._count(crucible.id)
            rows = await self._fetch(crucible.id, offset, limit) if offset < total else []
        except TemporaryError as error:
            raise site_problem(error) from error
        standings = [
            Standing(offset + at, row["id"], row["score"], row["votes"]) for at, row in enumerate(rows, start=1)
        ]
        return Page(standings, total, final=placed or crucible.status == "Cancelled")  # nobody is placed in that

    async def live(self, crucible_id: int, offset: int, limit: int) -> Page:
        """Return part of a live crucible's standings.

        Raises:
            ProblemError: ``redis_away``.
        """
        key = keys.standings(crucible_id)
        total, found = await ask_redis_together(
            self._link, ("ZCARD", key), ("ZRANGE", key, offset, offset + limit - 1, "WITHSCORES")
        )
        ids = [keys.standing_entry_id(member) for member in found[::2]]
        counts: Sequence[bytes | None] = []
        if ids:
            counts = await ask_redis(self._link, ("HMGET", keys.votes(crucible_id), *ids))
        standings = [
            Standing(offset + at, entry_id, -int(float(score)), int(votes or 0))
            for at, (entry_id, score, votes) in enumerate(zip(ids, found[1::2], counts, strict=True), start=1)
        ]
        return Page(standings, total)
