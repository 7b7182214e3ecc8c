"""``GET /v1/crucibles/{id}``: a crucible, and what the asker did in it."""

import asyncio
from typing import Final, Literal, cast

from msgspec import Struct

from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import CRUCIBLE, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.voting.ask_redis import ask_redis_together
from watcher.api.voting.judged_pairs import JudgedPairs
from watcher.api.wire import Ending, MomentText, encode, moment
from watcher.redis import keys

CrucibleStatus = Literal["Pending", "Active", "Completed", "Cancelled"]


class JudgeOfCrucible(Struct, frozen=True):
    """What the asker did in this crucible."""

    votes: int


class CrucibleAnswer(Struct, frozen=True):
    """A crucible as it is now, and what the asker did in it."""

    id: int
    name: str
    status: CrucibleStatus
    startAt: MomentText | None  # noqa: N815 - the wire's spelling
    endAt: MomentText | None  # noqa: N815
    nsfwLevel: int  # noqa: N815
    entries: int
    """Entries that take part."""
    votes: int
    judges: int | None
    """People who voted; None for a crucible that only the site's database still has."""
    me: JudgeOfCrucible | None
    ending: Ending | None
    """None while it takes votes, or will."""


async def crucible(services: Services, request: Request) -> Response:
    """Answer with a crucible, live or finished.

    Raises:
        ProblemError: there is none, or nobody can tell.
    """
    found = await services.crucibles.find(request.params["id"])
    entries, judges, me = 0, None, None
    if found.live:
        link = services.reads_link
        (entries, judges), mine = await asyncio.gather(
            ask_redis_together(link, ("ZCARD", keys.standings(found.id)), ("SCARD", keys.judges(found.id))),
            JudgedPairs(link, found.id, request.user_id).count(),
        )
        me = JudgeOfCrucible(mine)
    if found.finished:
        entries = (await services.standings.page(found, 0, 1)).total
    body = CrucibleAnswer(
        id=found.id,
        name=found.name,
        status=cast("CrucibleStatus", found.status),
        startAt=_time(found.start_ms),
        endAt=_time(found.end_ms),
        nsfwLevel=found.level,
        entries=entries,
        votes=found.votes,
        judges=judges,
        me=me,
        ending=await services.endings.of(found),
    )
    return Response(encode(body))


def _time(ms: int | None) -> str | None:
    return None if ms is None else moment(ms)


ROUTES: Final = (
    Route(
        name="crucible",
        method="GET",
        path="/v1/crucibles/{id}",
        handle=crucible,
        summary="A crucible",
        params=(CRUCIBLE,),
        answer=CrucibleAnswer,
        problems=OF_A_CRUCIBLE,
    ),
)
