"""Who leads: pages of the standings, from Redis while the crucible is live, from PostgreSQL when it is finished."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import xxhash

from watcher.api.http.guard import JSON, Answer, Ask
from watcher.api.http.problem import ProblemError
from watcher.api.resources.asking import asked, asked_together
from watcher.api.resources.bodies import CrucibleAnswer, JudgeOfCrucible, Standing, StandingsAnswer, encode, moment
from watcher.api.resources.crucibles import Crucible, Crucibles
from watcher.api.resources.judged import unpack
from watcher.model.errors import TemporaryError
from watcher.redis import keys
from watcher.redis.link import Link
from watcher.redis.outcomes import PACKED

AT_MOST: Final = 200
"""Entries of a page."""

Rows = list[dict[str, Any]]
FetchPage = Callable[[int, int, int], Awaitable[Rows]]
"""Crucible, offset, limit -> final standings. Raises ``TemporaryError``."""
FetchCount = Callable[[int], Awaitable[tuple[int, bool]]]
"""Crucible -> entries in the final standings, whether places are written. Raises ``TemporaryError``."""


class Page(msgspec.Struct, frozen=True):
    """A page and the number of all entries."""

    entries: list[Standing]
    total: int
    final: bool = False
    """Whether it will stay so."""


class Standings:
    """Reads standings.

    Args:
        link: the live state.
        crucibles: what is known of them.
        fetch: asks PostgreSQL for a page.
        count: asks PostgreSQL how much there is.
    """

    def __init__(self, link: Link, crucibles: Crucibles, fetch: FetchPage, count: FetchCount) -> None:
        self._link, self._crucibles, self._fetch, self._count = link, crucibles, fetch, count

    async def page(self, crucible: Crucible, offset: int, limit: int) -> Page:
        """Part of the standings.

        Raises:
            ProblemError: nobody can tell.
        """
        if not crucible.finished:
            return await self.live(crucible.id, offset, limit)
        try:
            total, placed = await self._count(crucible.id)
            rows = await self._fetch(crucible.id, offset, limit) if offset < total else []
        except TemporaryError as error:
            raise ProblemError("postgres_away") from error
        standings = [
            Standing(offset + at, row["id"], row["score"], row["votes"]) for at, row in enumerate(rows, start=1)
        ]
        return Page(standings, total, final=placed or crucible.status == "Cancelled")  # nobody is placed in that

    async def live(self, crucible_id: int, offset: int, limit: int) -> Page:
        """Part of a live crucible's standings.

        Raises:
            ProblemError: ``redis_away``.
        """
        key = keys.standings(crucible_id)
        total, found = await asked_together(
            self._link, ("ZCARD", key), ("ZRANGE", key, offset, offset + limit - 1, "WITHSCORES")
        )
        ids = [keys.standing_entry_id(member) for member in found[::2]]
        counts: Sequence[bytes | None] = []
        if ids:
            counts = await asked(self._link, ("HMGET", keys.votes(crucible_id), *ids))
        standings = [
            Standing(offset + at, entry_id, -int(float(score)), int(votes or 0))
            for at, (entry_id, score, votes) in enumerate(zip(ids, found[1::2], counts, strict=True), start=1)
        ]
        return Page(standings, total)

    async def answer(self, ask: Ask) -> Answer:
        """``GET /v1/crucibles/{id}/standings``: with an entity tag, so that asking again costs little."""
        crucible = await self._crucibles.find(ask.given["id"])
        offset, limit = ask.given["offset"], ask.given["limit"]
        page = await self.page(crucible, offset, limit)
        following = offset + limit if offset + limit < page.total else None
        return tagged(ask, encode(StandingsAnswer(page.entries, page.total, following, page.final)))

    async def crucible(self, ask: Ask) -> Answer:
        """``GET /v1/crucibles/{id}``."""
        crucible = await self._crucibles.find(ask.given["id"])
        entries, judges, me = 0, None, None
        if crucible.live:
            judged = keys.judged(crucible.id, ask.user_id)
            entries, judges, mine, packed = await asked_together(
                self._link,
                ("ZCARD", keys.standings(crucible.id)),
                ("SCARD", keys.judges(crucible.id)),
                ("HLEN", judged),
                ("HEXISTS", judged, PACKED),
            )
            if packed:
                await unpack(self._link, judged)
                mine = await asked(self._link, ("HLEN", judged))
            me = JudgeOfCrucible(mine)
        if crucible.finished:
            entries = (await self.page(crucible, 0, 1)).total
        body = CrucibleAnswer(
            crucible.id, crucible.name, crucible.status, _time(crucible.start_ms), _time(crucible.end_ms),  # type: ignore[arg-type]
            crucible.level, entries, crucible.votes, judges, me,
        )  # fmt: skip
        return Answer(encode(body))


def tagged(ask: Ask, body: bytes) -> Answer:
    """An answer with a strong entity tag, or 304 when the asker has it already."""
    tag = b'"%s"' % xxhash.xxh3_128_hexdigest(body).encode()
    headers = (JSON, (b"etag", tag), (b"cache-control", b"private, no-cache"))
    given = ask.header(b"if-none-match")
    if given is not None and _matches(given, tag):
        return Answer(b"", 304, headers[1:])
    return Answer(body, headers=headers)


def _matches(given: bytes, tag: bytes) -> bool:
    """Whether ``If-None-Match`` names the tag; weak tags compare alike there (RFC 9110, 13.1.2).

    >>> _matches(b'W/"a", "b"', b'"b"'), _matches(b"*", b'"b"'), _matches(b'"c"', b'"b"')
    (True, True, False)
    """
    tags = [one.strip().removeprefix(b"W/") for one in given.split(b",")]
    return tag in tags or tags == [b"*"]


def _time(ms: int | None) -> str | None:
    return None if ms is None else moment(ms)
