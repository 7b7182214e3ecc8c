"""Images and their comments, from the site's own tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from watcher.model.plain_text import plain_text
from watcher.model.site_image import CommentCursor, Remark, Remarks, SiteImage
from watcher.model.visibility import Moderation
from watcher.postgres.pool import Fetch
from watcher.postgres.site.comments import CommentPage, page_from, page_parameters
from watcher.postgres.site.statements import site_statements

REMARK_CHARACTERS: Final = 280
"""Characters that are shown of the comment below an image; whoever wants to read on opens all of them."""

_STATEMENTS: Final = site_statements("images.sql")


class SiteImages:
    """Reads images and what is said about them.

    Args:
        fetch: reads the site, ``SitePool.fetch``.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def images(self, ids: Sequence[int]) -> dict[int, SiteImage]:
        """Return images as they are now, by id; those that are gone are missing.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        rows = await self._fetch(_STATEMENTS["images"], {"ids": list(ids)})
        return {row["id"]: SiteImage(**row) for row in rows}

    async def of_entries(self, ids: Sequence[int]) -> dict[int, Moderation]:
        """Return what decides about the images of entries as it is now, by entry; those that are gone are missing.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        rows = await self._fetch(_STATEMENTS["images_of_entries"], {"ids": list(ids)})
        return {
            row["id"]: Moderation(
                nsfw_level=row["nsfwLevel"],
                tos_violation=row["tosViolation"],
                needs_review=row["needsReview"],
                ingestion=row["ingestion"],
                blocked_for=row["blockedFor"],
            )
            for row in rows
        }

    async def commented(self, ids: Sequence[int], *, nsfw: bool) -> dict[int, tuple[SiteImage, Remarks]]:
        """Return images as they are now with what is said about them, by id, from one query.

        Args:
            ids: of the images.
            nsfw: whether comments count that are not safe for work.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        rows = await self._fetch(_STATEMENTS["commented_images"], {"ids": list(ids), "nsfw": nsfw})
        return {row["id"]: (_image(row), _remarks(row)) for row in rows}

    async def comments(self, image_id: int, after: CommentCursor | None, limit: int, *, nsfw: bool) -> CommentPage:
        """Return a page of an image's comments, most reactions first, the newest of equals.

        Args:
            image_id: whether it may be shown is the caller's to know.
            after: the last comment of the page before; None for the first page.
            limit: comments at most.
            nsfw: whether those are wanted that are not safe for work.

        Raises:
            TemporaryError: PostgreSQL is away.
        """
        given = {"image": image_id, **page_parameters(after, limit, nsfw=nsfw)}
        return await page_from(await self._fetch(_STATEMENTS["comments"], given), limit)


def _image(row: Mapping[str, Any]) -> SiteImage:
    return SiteImage(**{name: row[name] for name in SiteImage.__struct_fields__})


def _remarks(row: Mapping[str, Any]) -> Remarks:
    if row["comment_id"] is None:
        return Remarks(row["comments"], None)
    text = plain_text(row["content"], REMARK_CHARACTERS)
    return Remarks(row["comments"], Remark(row["comment_id"], text, row["reactions"], row["created"]))
