"""What is said about crucibles, from the site's own tables."""

from typing import Final

from watcher.model.site_image import CommentCursor
from watcher.postgres.pool import Fetch
from watcher.postgres.site.comments import CommentPage, page_from, page_parameters
from watcher.postgres.site.statements import site_statements

_STATEMENTS: Final = site_statements("discussions.sql")


class SiteDiscussions:
    """Reads discussions of crucibles; every method raises ``TemporaryError`` while PostgreSQL is away.

    Args:
        fetch: reads the site, ``SitePool.fetch``.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def count(self, crucible_id: int, *, nsfw: bool) -> int:
        """Return how many comments and replies a crucible has; with ``nsfw`` also those that are not safe for work."""
        rows = await self._fetch(_STATEMENTS["discussion_count"], {"crucible": crucible_id, "nsfw": nsfw})
        return int(rows[0]["comments"]) if rows else 0

    async def comments(self, crucible_id: int, after: CommentCursor | None, limit: int, *, nsfw: bool) -> CommentPage:
        """Return a page of a crucible's comments, most reactions first, the newest of equals.

        Args:
            crucible_id: whether it may be shown is the caller's to know.
            after: the last comment of the page before; None for the first page.
            limit: comments at most.
            nsfw: whether those are wanted that are not safe for work.
        """
        given = {"crucible": crucible_id, **page_parameters(after, limit, nsfw=nsfw)}
        return await page_from(await self._fetch(_STATEMENTS["discussion"], given), limit)
