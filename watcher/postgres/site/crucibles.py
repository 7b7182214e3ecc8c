"""Crucibles that Redis does not hold, and final standings, from the site's own tables."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, LiteralString

from watcher.postgres.site.statements import site_statements

Fetch = Callable[[LiteralString, Mapping[str, Any]], Awaitable[list[dict[str, Any]]]]
"""Rows of one statement. Raises ``TemporaryError``."""

_STATEMENTS: Final = site_statements("crucibles.sql")


class SiteCrucibles:
    """The questions; each raises ``TemporaryError`` while PostgreSQL is away.

    Args:
        fetch: asks the site, ``SitePool.fetch``.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def crucible(self, crucible_id: int) -> dict[str, Any] | None:
        """A crucible's row; None if there is none."""
        rows = await self._fetch(_STATEMENTS["crucible"], {"crucible": crucible_id})
        return rows[0] if rows else None

    async def final_standings(self, crucible_id: int, offset: int, limit: int) -> list[dict[str, Any]]:
        """Part of a finished crucible's standings."""
        given = {"crucible": crucible_id, "offset": offset, "limit": limit}
        return await self._fetch(_STATEMENTS["final_standings"], given)

    async def final_count(self, crucible_id: int) -> tuple[int, bool]:
        """Entries that have a place in a finished crucible, and whether places are written down."""
        (row,) = await self._fetch(_STATEMENTS["final_count"], {"crucible": crucible_id})
        return row["total"], row["placed"]

    async def final_entry(self, crucible_id: int, entry_id: int) -> dict[str, Any] | None:
        """An entry of a finished crucible, with its place; None if there is none."""
        rows = await self._fetch(_STATEMENTS["final_entry"], {"crucible": crucible_id, "entry": entry_id})
        return rows[0] if rows else None
