"""An image of the site and what is said about it, as the API shows them."""

import msgspec

from watcher.model.visibility import Moderation


class SiteImage(Moderation, frozen=True):
    """An image as the site's row has it, with what decides who may see it."""

    id: int
    url: str
    """The site's name of the file, not an address."""
    type: str
    """``image``, ``video`` or ``audio``."""
    width: int | None
    height: int | None


class Remark(msgspec.Struct, frozen=True):
    """The comment of an image that has most reactions."""

    id: int
    text: str
    """Plain text."""
    reactions: int
    created_ms: int


class Remarks(msgspec.Struct, frozen=True):
    """What is said about an image, in short."""

    count: int
    """Comments and replies that may be shown."""
    top: Remark | None


class Comment(msgspec.Struct, frozen=True):
    """A comment, or a reply to one."""

    id: int
    reply_to: int | None
    """The comment that this one replies to; None if it replies to none, or to one that is not shown."""
    author: str | None
    """The author's name."""
    text: str
    """Plain text."""
    reactions: int
    created_ms: int


class CommentCursor(msgspec.Struct, frozen=True):
    """A place in the order of an image's comments: the comment after which a page goes on."""

    reactions: int
    created_ms: int
    comment_id: int
