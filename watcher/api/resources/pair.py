"""``GET /v1/crucibles/{id}/pair``: the pair to judge and the one that follows it, or why there is none."""

import asyncio
from typing import Final

import structlog
from msgspec import Struct

from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.identity.users import may_vote
from watcher.api.route import CRUCIBLE, LEVEL, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.voting.candidates import Asker
from watcher.api.voting.crucibles import Crucible
from watcher.api.voting.pictures import Picture, Pictures
from watcher.api.voting.served_pair import NoPair, Served, ServedPair
from watcher.api.wire import EntryId, ImageBody, MomentText, encode, image_body, moment
from watcher.model.visibility import effective_level

log = structlog.get_logger(__name__)

_NO_PAIR: Final = {NoPair.ALL_JUDGED: "all_judged", NoPair.TOO_FEW: "no_pair"}


class CommentBody(Struct, frozen=True):
    """The comment with the most reactions, as plain text."""

    text: str
    reactions: int
    createdAt: MomentText  # noqa: N815 - the wire's spelling


class PairSide(Struct, frozen=True):
    """One of the two. Who made it, its rating and its votes are not told: they would sway the judge."""

    entryId: EntryId  # noqa: N815
    image: ImageBody
    topComment: CommentBody | None  # noqa: N815
    commentCount: int  # noqa: N815


class PairBody(Struct, frozen=True):
    """Two entries to judge, and the token that a vote on them needs."""

    left: PairSide
    right: PairSide
    token: str
    expiresAt: MomentText  # noqa: N815


class PairAnswer(PairBody, frozen=True):
    """The pair to judge now, and the one that follows it."""

    following: PairBody | None
    """The next one, so that its images can be loaded meanwhile. Its token counts when this one is judged or skipped."""
    skipsLeft: int  # noqa: N815
    """Pairs that may be passed on before another one is judged."""


class OpenNow(Struct, frozen=True):
    """What is open to a judge after a vote or a skip."""

    pair: PairBody | None
    """To judge now. None: ask for it, and learn why there is none."""
    following: PairBody | None
    """To judge after that, if there is one."""
    skipsLeft: int | None  # noqa: N815
    """Pairs that may be passed on before another one is judged; None if nobody knows just now."""


NOTHING: Final = OpenNow(None, None, None)
NEXT_PAIR_SECONDS: Final = 1.0
"""Seconds that the answer to a vote or a skip waits for the pair that is open next. Longer: what was done is told later
when a neighbour is slow; shorter: judges have to ask for the next pair."""


async def pair(services: Services, request: Request) -> Response:
    """Answer what is open to the judge.

    Raises:
        ProblemError: nothing is; the code says why.
    """
    may_vote(request.user)
    crucible = await services.crucibles.find(request.params["id"])
    if not crucible.live:
        raise ProblemError("not_active")
    asker = asker_of(request, crucible, request.visible_levels(crucible.level))
    if not asker.level:
        raise ProblemError("level_not_allowed")
    served = await services.pairs.serve(asker)
    if isinstance(served, NoPair):
        raise ProblemError(_NO_PAIR[served])
    return Response(encode(answer(served, services.pictures)))


def asker_of(request: Request, crucible: Crucible, level: int) -> Asker:
    """Return the judge who asks.

    Args:
        request: of the judge.
        crucible: in which one.
        level: flags that the judge wants to see, and may.
    """
    account = effective_level(None, request.own_level, request.show_nsfw, crucible.level)
    return Asker(crucible.id, request.user_id, level & account, account)


async def open_now(services: Services, asker: Asker) -> OpenNow:
    """Return what is open to a judge who has just judged or skipped a pair; nothing if it cannot be told just now."""
    # Not cancelled when it takes too long: what it opens then is served to whoever asks next.
    serving = asyncio.ensure_future(services.pairs.serve(asker))
    await asyncio.wait([serving], timeout=NEXT_PAIR_SECONDS)
    if not serving.done():
        serving.add_done_callback(_heard)
        return NOTHING
    if (error := serving.exception()) is not None:
        if not isinstance(error, ProblemError):
            log.error("pair.failed", crucible=asker.crucible_id, exc_info=error)
        return NOTHING
    served = serving.result()
    if isinstance(served, NoPair):
        return NOTHING
    told = answer(served, services.pictures)
    return OpenNow(PairBody(told.left, told.right, told.token, told.expiresAt), told.following, told.skipsLeft)


def _heard(serving: "asyncio.Future[Served | NoPair]") -> None:
    if not serving.cancelled():
        serving.exception()


def answer(served: Served, pictures: Pictures) -> PairAnswer:
    """Return what is open to a judge as the judge is told of it."""
    left, right = _sides(served.pair, pictures)
    following = None
    if (after := served.following) is not None:
        following = PairBody(*_sides(after, pictures), after.token, moment(after.expires_ms))
    return PairAnswer(left, right, served.pair.token, moment(served.pair.expires_ms), following, served.skips_left)


def _sides(served: ServedPair, pictures: Pictures) -> tuple[PairSide, PairSide]:
    left, right = (_side(one.entry_id, served.pictures[one.image_id], pictures) for one in (served.left, served.right))
    return left, right


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
        summary="The pair to judge",
        detail="Two entries that the asker has not judged and does not own, on random sides, with the token that a "
        "vote needs; and the pair that follows. It is the same pair until it is judged or skipped, or one of its "
        "images may not be shown any more. Its token is signed anew after half of its life. Whoever asks for fewer "
        "levels than the open pair needs, or comes with a token or an account that allows fewer, passes it on, and "
        "that is a skip.",
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
            "skips_exhausted",
            "not_active",
            "frozen",
            "not_started",
            "ended",
        ),
    ),
)
