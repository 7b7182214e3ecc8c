"""Crucibles that Redis does not hold, and final standings, from the site's own tables."""

from typing import Any, Final

from watcher.postgres.pool import Fetch
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("crucibles.sql")


class SiteCrucibles:
    """Reads crucibles and final standings; every method raises ``TemporaryError`` while PostgreSQL is away.

    Args:
        fetch: reads the site, ``SitePool.fetch``.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def crucible(self, crucible_id: int) -> dict[str, Any] | None:
        """Return a crucible's row; None if there is none."""
        rows = await self._fetch(_STATEMENTS["crucible"], {"crucible": crucible_id})
        return rows[0] if rows else None

    async def final_standings(self, crucible_id: int, offset: int, limit: int) -> list[dict[str, Any]]:
        """Return a page of a finished crucible's standings, the first place first."""
        given = {"crucible": crucible_id, "offset": offset, "limit": limit}
        return await self._fetch(_STATEMENTS["final_standings"], given)

    async def final_count(self, crucible_id: int) -> tuple[int, bool]:
        """Return how many entries have a place in a finished crucible, and whether places are written down."""
        (row,) = await self._fetch(_STATEMENTS["final_count"], {"crucible": crucible_id})
        return row["total"], row["placed"]

    async def final_entry(self, crucible_id: int, entry_id: int) -> dict[str, Any] | None:
        """Return an entry of a finished crucible, with its place; None if there is none."""
        rows = await self._fetch(_STATEMENTS["final_entry"], {"crucible": crucible_id, "entry": entry_id})
        return rows[0] if rows else None
