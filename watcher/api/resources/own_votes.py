"""``GET /v1/crucibles/{id}/votes/mine``: how the asker's votes did."""

from typing import Final

from msgspec import Struct

from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import CRUCIBLE, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.wire import encode


class OwnVotesAnswer(Struct, frozen=True):
    """How the asker's votes in a crucible did. Those of the last second may be missing."""

    votes: int
    upheld: int | None
    """Votes of which the chosen entry stands above the other by now; None while it is not told how entries stand, and
    while a pair is open to the asker."""


async def own_votes(services: Services, request: Request) -> Response:
    """Answer how the asker's votes did.

    Raises:
        ProblemError: there is no such crucible, or nobody can tell.
    """
    crucible = await services.crucibles.find(request.params["id"])
    told = await services.disclosure.to(crucible, request.user_id)
    votes, upheld = await services.history.own_votes(request.user_id, crucible.id)
    withheld = told.refusal is not None or told.veiled
    return Response(encode(OwnVotesAnswer(votes, None if withheld else upheld)))


ROUTES: Final = (
    Route(
        name="ownVotes",
        method="GET",
        path="/v1/crucibles/{id}/votes/mine",
        handle=own_votes,
        summary="How the asker's votes did",
        detail="Of how many the chosen entry stands above the other by now.",
        params=(CRUCIBLE,),
        answer=OwnVotesAnswer,
        problems=(*OF_A_CRUCIBLE, "clickhouse_away"),
    ),
)
