"""How crucibles have ended, for whoever follows them."""

from importlib.resources import files
from typing import Any, Final

import msgspec

from watcher.model.settlement import SettlementState
from watcher.postgres.pool import Fetch
from watcher.postgres.statement import quoted
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "endings.sql")
MAX_PODIUM: Final = 100
"""Places that are told. More: an answer is longer than anybody reads."""


class StoredEnding(msgspec.Struct, frozen=True, kw_only=True):
    """How far the end of a crucible is; what it came to is None before that is known."""

    state: SettlementState
    """Of one that is parked, the state that it came from."""
    frozen_ms: int | None
    """When votes stopped to count, in milliseconds since 1970."""
    settled_ms: int | None
    """When the result was written, likewise."""
    digest: str | None
    """Proof of the result."""
    votes: int | None
    pool: int | None
    """Buzz; so the next three."""
    paid: int | None
    remainder: int | None
    refunded: int | None


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A place of a result."""

    position: int
    entry: int
    rating: int | None
    """None of an entry that is gone since; so the number of votes."""
    votes: int | None
    prize: int | None
    """Buzz."""


class StoredEndings:
    """Reads endings; every method raises ``TemporaryError`` while PostgreSQL is away.

    Args:
        fetch: reads the site's database, ``SitePool.fetch``.
        schema: the watcher's own.
    """

    def __init__(self, fetch: Fetch, schema: str) -> None:
        self._fetch, self._schema = fetch, quoted(schema)

    async def ending(self, crucible_id: int) -> StoredEnding | None:
        """Return how far the end of a crucible is; None if none of ours is to come."""
        rows = await self._ask("ending", crucible=crucible_id)
        return msgspec.convert(rows[0], StoredEnding) if rows else None

    async def podium(self, crucible_id: int) -> list[Placed]:
        """Return the first places of a crucible and those with a prize, best first; empty before they are written."""
        rows = await self._ask("podium", crucible=crucible_id, most=MAX_PODIUM)
        return msgspec.convert(rows, list[Placed])

    async def _ask(self, statement: str, **parameters: int) -> list[dict[str, Any]]:
        return await self._fetch(_STATEMENTS[statement].replace("{schema}", self._schema), parameters)
