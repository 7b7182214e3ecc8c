"""``GET /v1/crucibles/{id}/standings``: a page of who leads."""

import asyncio
from typing import Final

from msgspec import Struct

from watcher.api.http.params import Param
from watcher.api.http.request import Request
from watcher.api.http.response import Response, with_entity_tag
from watcher.api.route import CRUCIBLE, OF_A_CRUCIBLE, WITHHELD, Route
from watcher.api.services import Services
from watcher.api.wire import Standing, encode

MAX_ENTRIES: Final = 200
"""Entries of a page. More: one answer takes long to read and to encode, and votes wait for it."""


class StandingsAnswer(Struct, frozen=True):
    """A page of the standings: rating, then age, then id decide."""

    entries: list[Standing]
    """Without the two of the pair that is open to the asker; places are counted with them."""
    total: int
    next: int | None
    """The ``offset`` of the next page; None on the last one."""
    final: bool
    """Whether this will stay as it is."""


async def standings(services: Services, request: Request) -> Response:
    """Answer a page, with an entity tag, so that asking again costs little."""
    crucible = await services.crucibles.find(request.params["id"])
    offset, limit = request.params["offset"], request.params["limit"]
    told, page = await asyncio.gather(
        services.disclosure.to(crucible, request.user_id), services.standings.page(crucible, offset, limit)
    )
    told.check()
    shown = [one for one in page.entries if not told.hides(one.entryId)]
    following = offset + limit if offset + limit < page.total else None
    return with_entity_tag(request, encode(StandingsAnswer(shown, page.total, following, page.final)))


ROUTES: Final = (
    Route(
        name="standings",
        method="GET",
        path="/v1/crucibles/{id}/standings",
        handle=standings,
        summary="Who leads",
        detail="Rating decides, then age, then id. Answers have an entity tag: send it in `If-None-Match`.",
        params=(
            CRUCIBLE,
            Param(name="offset", what="Entries to pass over.", most=10_000_000, default=0),
            Param(name="limit", what="Entries at most.", least=1, most=MAX_ENTRIES, default=50),
        ),
        answer=StandingsAnswer,
        problems=(*OF_A_CRUCIBLE, *WITHHELD),
        has_entity_tag=True,
    ),
)
