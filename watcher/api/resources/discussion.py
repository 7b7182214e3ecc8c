"""``GET /v1/crucibles/{id}/comments``: what is said about a crucible, a page at a time."""

from typing import Final

from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.resources.comments import COMMENTS_PAGE, CommentsAnswer, page_body, place_of
from watcher.api.route import CRUCIBLE, LEVEL, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.site_problem import site_problem
from watcher.api.wire import encode
from watcher.model.errors import TemporaryError
from watcher.model.visibility import are_nsfw_comments_shown


async def discussion(services: Services, request: Request) -> Response:
    """Answer a page of a crucible's comments, to who may see anything of it.

    Raises:
        ProblemError: the asker may not, or there is no such crucible.
    """
    crucible = await services.crucibles.find(request.params["id"])
    levels = request.visible_levels(crucible.level)
    if not levels:
        raise ProblemError("level_not_allowed")
    cursor, limit = request.params["cursor"], request.params["limit"]
    after = None if cursor is None else place_of(cursor)
    try:
        nsfw = are_nsfw_comments_shown(levels)
        total = await services.discussions.count(crucible.id, nsfw=nsfw)
        page = await services.discussions.comments(crucible.id, after, limit, nsfw=nsfw)
    except TemporaryError as error:
        raise site_problem(error) from error
    return Response(encode(page_body(page, total)))


ROUTES: Final = (
    Route(
        name="discussion",
        method="GET",
        path="/v1/crucibles/{id}/comments",
        handle=discussion,
        summary="What is said about a crucible",
        detail="Comments and replies as plain text, most reactions first, by the rules of those on images.",
        params=(CRUCIBLE, LEVEL, *COMMENTS_PAGE),
        answer=CommentsAnswer,
        problems=(*OF_A_CRUCIBLE, "level_not_allowed"),
    ),
)
