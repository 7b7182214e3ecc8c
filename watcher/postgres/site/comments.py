"""Pages of comments, whatever they are about, from statements with the fragment ``comment_page``."""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from watcher.model.plain_text import plain_text
from watcher.model.site_image import Comment, CommentCursor

MAX_PAGE_BYTES: Final = 65_536
"""Bytes of markup of a page; it ends with the comment that reaches this, and the next one goes on from there. More: a
page of long comments takes longer to read, while votes wait for the processor. Fewer: such pages are short."""


_READING: Final = threading.Lock()
"""Held while a comment is read. Without it every page that is read takes its turn before the loop has one again."""


class CommentPage(msgspec.Struct, frozen=True):
    """A page of comments."""

    comments: list[Comment]
    more: bool
    """Whether another page follows."""


def page_parameters(after: CommentCursor | None, limit: int, *, nsfw: bool) -> dict[str, Any]:
    """Return what the statement takes besides its thread.

    Args:
        after: the last comment of the page before; None for the first page.
        limit: comments at most.
        nsfw: whether those are wanted that are not safe for work.
    """
    return {
        "limit": limit + 1,  # one more tells whether another page follows
        "reactions": after and after.reactions,
        "created": after and after.created_ms,
        "id": after and after.comment_id,
        "nsfw": nsfw,
    }


async def page_from(rows: Sequence[Mapping[str, Any]], limit: int) -> CommentPage:
    """Return a page as plain text.

    Args:
        rows: what the statement answered.
        limit: as in its parameters.
    """
    kept = within(rows[:limit], MAX_PAGE_BYTES)
    # Whoever writes comments decides how long their markup takes to read: not on the loop that counts votes.
    return CommentPage(await asyncio.to_thread(_comments, kept), more=len(rows) > len(kept))


def within(rows: Sequence[Mapping[str, Any]], most_bytes: int) -> Sequence[Mapping[str, Any]]:
    """Return the first rows, up to and including the one whose markup reaches so many bytes.

    >>> [len(within([{"content": "long"}] * 3, most)) for most in (1, 4, 5, 99)]
    [1, 1, 2, 3]
    """
    count = 0
    for at, row in enumerate(rows, 1):
        count += len(row["content"].encode())
        if count >= most_bytes:
            return rows[:at]
    return rows


def _text(markup: str) -> str:
    """Return the text of one comment, read while no other one is; the loop goes on after it.

    However many pages are asked for, the loop shares the interpreter with one reader, and waits for one comment.
    """
    with _READING:
        text = plain_text(markup)
        time.sleep(0)  # gives the interpreter away: else the next one to read has it before the loop
    return text


def _comments(rows: Sequence[Mapping[str, Any]]) -> list[Comment]:
    return [
        Comment(
            id=row["id"],
            reply_to=row["reply_to"],
            author=row["author"],
            text=_text(row["content"]),
            reactions=row["reactions"],
            created_ms=row["created"],
        )
        for row in rows
    ]
