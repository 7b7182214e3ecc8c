"""``GET /v1/crucibles/{id}/entries/{entryId}/history``: how an entry's rating went."""

from collections.abc import Sequence
from typing import Final, TypeVar

from msgspec import Struct

from watcher.api.http.params import Param
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import CRUCIBLE, ENTRY, OF_A_CRUCIBLE, WITHHELD, Route
from watcher.api.services import Services
from watcher.api.voting.history import MAX_POINTS
from watcher.api.wire import EntryId, MomentText, encode, moment

T = TypeVar("T")


class HistoryPoint(Struct, frozen=True, gc=False):
    """A rating, and when it was reached."""

    at: MomentText
    rating: int
    votes: int
    """Votes of the entry up to and including this one."""


class HistoryAnswer(Struct, frozen=True):
    """How an entry's rating went. A long history is thinned out; the last point is always the last vote."""

    entryId: EntryId  # noqa: N815 - the wire's spelling
    points: list[HistoryPoint]
    votes: int


async def history(services: Services, request: Request) -> Response:
    """Answer how an entry's rating went.

    Raises:
        ProblemError: there is no such entry, or nobody can tell.
    """
    crucible = await services.crucibles.find(request.params["id"])
    entry_id = request.params["entryId"]
    (await services.disclosure.to(crucible, request.user_id)).check(entry_id)
    await services.entries.find(crucible, entry_id)
    rows = thinned(await services.history.ratings(request.user_id, crucible.id, entry_id), request.params["points"])
    points = [HistoryPoint(moment(at * 1000), rating, votes) for at, rating, votes in rows]
    return Response(encode(HistoryAnswer(entry_id, points, points[-1].votes if points else 0)))


def thinned(rows: Sequence[T], most: int) -> Sequence[T]:
    """Return so many rows at most, evenly; the last one is always among them.

    >>> thinned(range(10), 3)
    [2, 5, 9]
    >>> thinned([1, 2], 3)
    [1, 2]
    """
    if len(rows) <= most:
        return rows
    return [rows[len(rows) * (at + 1) // most - 1] for at in range(most)]


ROUTES: Final = (
    Route(
        name="history",
        method="GET",
        path="/v1/crucibles/{id}/entries/{entryId}/history",
        handle=history,
        summary="How an entry's rating went",
        detail="From the stored votes: those of the last second may be missing, those of more than 90 days ago are.",
        params=(
            CRUCIBLE,
            ENTRY,
            Param(name="points", what="Points at most.", least=2, most=MAX_POINTS, default=200),
        ),
        answer=HistoryAnswer,
        problems=(*OF_A_CRUCIBLE, "unknown_entry", "pair_open", *WITHHELD, "clickhouse_away"),
    ),
)
