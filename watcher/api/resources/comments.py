"""``GET /v1/crucibles/{id}/entries/{entryId}/comments``: what is said about an entry's image, a page at a time."""

from typing import Final

from msgspec import Struct

from watcher.api.http.params import Param
from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import CRUCIBLE, ENTRY, LEVEL, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.site_problem import site_problem
from watcher.api.voting.pictures import is_visible
from watcher.api.wire import MAX_ID, MomentText, encode, moment
from watcher.model.errors import TemporaryError
from watcher.model.site_image import CommentCursor
from watcher.model.visibility import are_nsfw_comments_shown
from watcher.postgres.site.comments import CommentPage

CURSOR: Final = r"-?[0-9]{1,10}\.-?[0-9]{1,15}\.[0-9]{1,10}"
"""What a cursor looks like: reactions, time and id of the last comment of the page before. A time before 1970 is less
than nothing, and so may be what the site has counted."""


class ListedComment(Struct, frozen=True):
    """A comment as plain text: its markup is taken out, and what looks like markup is text."""

    text: str
    reactions: int
    createdAt: MomentText  # noqa: N815 - the wire's spelling
    author: str | None
    """Name of who wrote it."""
    commentId: int  # noqa: N815
    replyTo: int | None  # noqa: N815
    """The comment that this one replies to."""


class CommentsAnswer(Struct, frozen=True):
    """A page of comments, those with the most reactions first."""

    comments: list[ListedComment]
    total: int
    next: str | None
    """The ``cursor`` of the next page; None on the last one."""


async def comments(services: Services, request: Request) -> Response:
    """Answer a page of comments. Whether the asker may see their image is looked up afresh.

    Raises:
        ProblemError: the asker may not, or there is no such entry.
    """
    crucible = await services.crucibles.find(request.params["id"])
    cursor, limit = request.params["cursor"], request.params["limit"]
    after = None if cursor is None else place_of(cursor)
    found = await services.entries.find(crucible, request.params["entryId"])
    levels = request.visible_levels(crucible.level)
    picture = await services.pictures.look_at(found.image_id, levels)
    if picture is None or not is_visible(picture[0], crucible.level, levels):
        raise ProblemError("level_not_allowed")
    try:
        nsfw = are_nsfw_comments_shown(levels)
        page = await services.images.comments(found.image_id, after, limit, nsfw=nsfw)
    except TemporaryError as error:
        raise site_problem(error) from error
    return Response(encode(page_body(page, picture[1].count)))


def page_body(page: CommentPage, total: int) -> CommentsAnswer:
    """Return a page as bodies have it.

    Args:
        page: the comments.
        total: comments of all pages.
    """
    bodies = [
        ListedComment(one.text, one.reactions, moment(one.created_ms), one.author, one.id, one.reply_to)
        for one in page.comments
    ]
    following = None
    if page.more:
        last = page.comments[-1]
        following = cursor_of(CommentCursor(last.reactions, last.created_ms, last.id))
    return CommentsAnswer(bodies, total, following)


def cursor_of(place: CommentCursor) -> str:
    """Return a place as the client hands it back.

    >>> cursor_of(CommentCursor(3, 1_760_000_000_000, 7)), place_of("-1.-1.7") == CommentCursor(-1, -1, 7)
    ('3.1760000000000.7', True)
    """
    return f"{place.reactions}.{place.created_ms}.{place.comment_id}"


def place_of(cursor: str) -> CommentCursor:
    """Return the place that a cursor stands for; there need not be a comment."""
    reactions, created_ms, comment_id = (int(part) for part in cursor.split("."))
    return CommentCursor(max(-MAX_ID, min(reactions, MAX_ID)), created_ms, min(comment_id, MAX_ID))


COMMENTS_PAGE: Final = (
    Param(name="cursor", what="`next` of the page before.", kind=str, most=40, pattern=CURSOR),
    Param(name="limit", what="Comments at most.", least=1, most=100, default=20),
)
"""Parameters of a route that answers comments in pages."""

ROUTES: Final = (
    Route(
        name="comments",
        method="GET",
        path="/v1/crucibles/{id}/entries/{entryId}/comments",
        handle=comments,
        summary="What is said about an entry's image",
        detail="Comments and replies as plain text, most reactions first. A page of long comments has fewer than its "
        "limit. What is not safe for work is left out for who sees PG alone.",
        params=(
            CRUCIBLE,
            ENTRY,
            LEVEL,
            *COMMENTS_PAGE,
        ),
        answer=CommentsAnswer,
        problems=(*OF_A_CRUCIBLE, "unknown_entry", "level_not_allowed"),
    ),
)
