"""One entry of a crucible: whose image it is and how it stands, live or final."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from watcher.api.http.problem import ProblemError
from watcher.api.site_problem import site_problem
from watcher.api.voting.ask_redis import ask_redis, ask_redis_together
from watcher.api.voting.crucibles import Crucible
from watcher.model.errors import TemporaryError
from watcher.redis import keys
from watcher.redis.link import Link


class Entry(msgspec.Struct, frozen=True):
    """An entry of a crucible."""

    id: int
    image_id: int
    rating: int
    votes: int
    rank: int | None
    """Its place among all; None: not admitted, so without one."""


class EntryRow(msgspec.Struct):
    """An entry's row as Redis has it, as far as it is looked at here."""

    user: int
    """Whose it is."""
    image: int
    created: int
    """Milliseconds since 1970: the earlier entry comes first among equals."""


_decode = msgspec.json.Decoder(EntryRow).decode

FetchEntry = Callable[[int, int], Awaitable[dict[str, Any] | None]]
"""Returns the row of an entry in PostgreSQL, by crucible and entry, if there is one. Raises ``TemporaryError``."""


class Entries:
    """Reads single entries.

    Args:
        link: the live state.
        fetch: asks PostgreSQL for an entry of a finished crucible.
    """

    def __init__(self, link: Link, fetch: FetchEntry) -> None:
        self._link, self._fetch = link, fetch

    async def find(self, crucible: Crucible, entry_id: int) -> Entry:
        """Return the entry.

        Raises:
            ProblemError: ``unknown_entry``, or nobody can tell.
        """
        return await (self._final if crucible.finished else self._live)(crucible.id, entry_id)

    async def _final(self, crucible_id: int, entry_id: int) -> Entry:
        try:
            row = await self._fetch(crucible_id, entry_id)
        except TemporaryError as error:
            raise site_problem(error) from error
        if row is None:
            raise ProblemError("unknown_entry")
        return Entry(row["id"], row["image"], row["score"], row["votes"], row["rank"])

    async def _live(self, crucible_id: int, entry_id: int) -> Entry:
        text, rating, votes = await ask_redis_together(
            self._link,
            ("HGET", keys.entries(crucible_id), entry_id),
            ("HGET", keys.elo(crucible_id), entry_id),
            ("HGET", keys.votes(crucible_id), entry_id),
        )
        row = entry_row(text)
        if row is None or rating is None:
            raise ProblemError("unknown_entry")
        member = keys.standing(row.created, entry_id)
        rank = await ask_redis(self._link, ("ZRANK", keys.standings(crucible_id), member))
        return Entry(entry_id, row.image, int(rating), int(votes or 0), None if rank is None else rank + 1)


def entry_row(text: bytes | None) -> EntryRow | None:
    """Return the row in a text of Redis; None where it holds none, because the entry is gone or never was."""
    row = keys.entry_row(text)
    return None if row is None else _decode(row)
