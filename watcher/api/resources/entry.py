"""``GET /v1/crucibles/{id}/entries/{entryId}``: one entry, its place and its image."""

import asyncio
from typing import Final

from msgspec import Struct

from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import CRUCIBLE, ENTRY, LEVEL, OF_A_CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.voting.pictures import is_visible
from watcher.api.wire import EntryId, ImageBody, encode, image_body


class EntryAnswer(Struct, frozen=True):
    """An entry as it stands, with its image where the asker may see it."""

    entryId: EntryId  # noqa: N815 - the wire's spelling
    rank: int | None
    """None: not admitted, so without a place; or, with rating and votes, it is not told how the entry stands."""
    rating: int | None
    votes: int | None
    image: ImageBody | None
    """None: outside the levels that the asker sees, or withdrawn."""
    commentCount: int | None  # noqa: N815


async def entry(services: Services, request: Request) -> Response:
    """Answer an entry. Whether the asker may see its image is looked up afresh."""
    crucible = await services.crucibles.find(request.params["id"])
    told, found = await asyncio.gather(
        services.disclosure.to(crucible, request.user_id), services.entries.find(crucible, request.params["entryId"])
    )
    levels = request.visible_levels(crucible.level)
    picture = await services.pictures.look_at(found.image_id, levels)
    body, count = None, None
    if picture is not None and is_visible(picture[0], crucible.level, levels):
        image, remarks = picture
        body, count = image_body(image, services.pictures.address(image)), remarks.count
    rank, rating, votes = (None, None, None) if told.hides(found.id) else (found.rank, found.rating, found.votes)
    return Response(encode(EntryAnswer(found.id, rank, rating, votes, body, count)))


ROUTES: Final = (
    Route(
        name="entry",
        method="GET",
        path="/v1/crucibles/{id}/entries/{entryId}",
        handle=entry,
        summary="One entry",
        params=(CRUCIBLE, ENTRY, LEVEL),
        answer=EntryAnswer,
        problems=(*OF_A_CRUCIBLE, "unknown_entry"),
    ),
)
