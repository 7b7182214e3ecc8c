"""``GET /v1/judges/me``: the asker as a judge."""

from typing import Final

from msgspec import Struct

from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import Route
from watcher.api.services import Services
from watcher.api.wire import MomentText, encode, moment
from watcher.model.judge_rank import influence, percentile

MAX_CRUCIBLES: Final = 100
"""Crucibles that a judge is shown."""


class JudgedCrucible(Struct, frozen=True):
    """What a judge did in one crucible."""

    crucibleId: int  # noqa: N815 - the wire's spelling
    votes: int
    firstVoteAt: MomentText  # noqa: N815
    lastVoteAt: MomentText  # noqa: N815


class JudgeAnswer(Struct, frozen=True):
    """The asker as a judge. Votes of the last second may be missing."""

    votes: int
    influence: int
    """Ten times the square root of the votes, rounded."""
    percentile: int | None
    """In which percent of all judges by votes, 1 being the most active; None without votes, or without others."""
    crucibles: list[JudgedCrucible]
    """Those judged last, a hundred at most."""


async def judge(services: Services, request: Request) -> Response:
    """Answer what the asker did as a judge.

    Raises:
        ProblemError: nobody can tell.
    """
    judged, distribution = await services.history.judge(request.user_id)
    votes = sum(row[1] for row in judged)
    counts = [(int(number), int(judges)) for number, judges in distribution]
    crucibles = [
        JudgedCrucible(crucible_id, count, moment(first * 1000), moment(last * 1000))
        for crucible_id, count, first, last in judged[:MAX_CRUCIBLES]
    ]
    return Response(encode(JudgeAnswer(votes, influence(votes), percentile(votes, counts), crucibles)))


ROUTES: Final = (
    Route(
        name="judge",
        method="GET",
        path="/v1/judges/me",
        handle=judge,
        summary="The asker as a judge",
        answer=JudgeAnswer,
        problems=("clickhouse_away",),
    ),
)
