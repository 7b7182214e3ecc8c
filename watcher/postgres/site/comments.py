"""Pages of comments, whatever they are about: what a statement with the fragment ``comment_page`` takes and returns."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from watcher.model.plain_text import plain_text
from watcher.model.site_image import Comment, Place


def page_parameters(after: Place | None, limit: int) -> dict[str, Any]:
    """Return what the statement takes besides its thread.

    Args:
        after: the last comment of the page before; None for the first page.
        limit: comments at most.
    """
    return {
        "limit": limit,
        "reactions": after and after.reactions,
        "created": after and after.created_ms,
        "id": after and after.comment_id,
    }


async def comments_from(rows: Sequence[Mapping[str, Any]]) -> list[Comment]:
    """Return the comments of a page as plain text."""
    # Whoever writes comments decides how long their markup takes to read: not on the loop that counts votes.
    return await asyncio.to_thread(_comments, rows)


def _comments(rows: Sequence[Mapping[str, Any]]) -> list[Comment]:
    return [
        Comment(
            id=row["id"],
            reply_to=row["reply_to"],
            author=row["author"],
            text=plain_text(row["content"]),
            reactions=row["reactions"],
            created_ms=row["created"],
        )
        for row in rows
    ]
