"""``GET /v1/crucibles/{id}/pair``: the next pair to judge, or in which words there is none."""

from typing import Final

from msgspec import Struct

from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.identity.users import may_vote
from watcher.api.route import CRUCIBLE, LEVEL, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.voting.next_pair import NoPair, ServedPair
from watcher.api.voting.pictures import Picture, Pictures
from watcher.api.wire import EntryId, ImageBody, Moment, encode, image_body, moment

_NO_PAIR: Final = {NoPair.ALL_JUDGED: "all_judged", NoPair.TOO_FEW: "no_pair"}


class CommentBody(Struct, frozen=True):
    """The comment with the most reactions, as plain text."""

    text: str
    reactions: int
    createdAt: Moment  # noqa: N815 - the wire's spelling


class PairSide(Struct, frozen=True):
    """One of the two. Who made it, its rating and its votes are not told: they would sway the judge."""

    entryId: EntryId  # noqa: N815
    image: ImageBody
    topComment: CommentBody | None  # noqa: N815
    commentCount: int  # noqa: N815


class PairAnswer(Struct, frozen=True):
    """Two entries to judge, and the token that a vote on them needs."""

    left: PairSide
    right: PairSide
    token: str
    expiresAt: Moment  # noqa: N815


async def pair(services: Services, request: Request) -> Response:
    """Answer the next pair.

    Raises:
        ProblemError: there is none for the asker; the code says why.
    """
    may_vote(request.user)
    crucible = await services.crucibles.find(request.params["id"])
    if not crucible.live:
        raise ProblemError("not_active")
    levels = request.visible_levels(crucible.level)
    if not levels:
        raise ProblemError("level_not_allowed")
    served = await services.pairs.next_pair(crucible.id, request.user_id, levels)
    if isinstance(served, NoPair):
        raise ProblemError(_NO_PAIR[served])
    return Response(encode(answer(served, services.pictures)))


def answer(served: ServedPair, pictures: Pictures) -> PairAnswer:
    """Return a pair as the judge is told of it."""
    left, right = (_side(one.entry_id, served.pictures[one.image_id], pictures) for one in (served.left, served.right))
    return PairAnswer(left, right, served.token, moment(served.expires_ms))


def _side(entry_id: int, picture: Picture, pictures: Pictures) -> PairSide:
    image, remarks = picture
    comment = None
    if remarks.top is not None:  # whose it is does not matter here
        comment = CommentBody(remarks.top.text, remarks.top.reactions, moment(remarks.top.created_ms))
    return PairSide(entry_id, image_body(image, pictures.address(image)), comment, remarks.count)


ROUTES: Final = (
    Route(
        name="pair",
        method="GET",
        path="/v1/crucibles/{id}/pair",
        handle=pair,
        summary="The next pair to judge",
        detail="Two entries that the asker has not judged and does not own, on random sides, with the token that a "
        "vote needs.",
        params=(CRUCIBLE, LEVEL),
        answer=PairAnswer,
        problems=(
            *OF_A_CRUCIBLE,
            "user_banned",
            "user_muted",
            "user_deleted",
            "level_not_allowed",
            "all_judged",
            "no_pair",
            "not_active",
            "frozen",
            "not_started",
            "ended",
        ),
    ),
)
