"""``GET /v1/crucibles/{id}/entries/mine``: how the asker's entries stand, and why."""

from typing import Final, Literal

from msgspec import Struct

from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import CRUCIBLE, Route
from watcher.api.services import Services
from watcher.api.site_problem import site_problem
from watcher.api.wire import EntryId, FeeBody, MomentText, ReasonBody, encode, moment, reason_bodies
from watcher.model.entry_verdict import reasons_told
from watcher.model.errors import TemporaryError
from watcher.postgres.own.entry_questions import OwnEntry

MAX_ENTRIES: Final = 100
"""Entries that are told. Most crucibles allow a user a handful; what is beyond was rejected."""


class MyEntry(Struct, frozen=True):
    """An entry of the asker."""

    entryId: EntryId  # noqa: N815 - the wire's spelling
    imageId: int  # noqa: N815
    verdict: Literal["undecided", "waiting", "admitted", "rejected", "withdrawn"]
    """`undecided`: nobody has looked at it yet. `waiting`: its scan or its fee is not there yet."""
    reasons: list[ReasonBody]
    """Of an admitted entry: rules that it breaks, and that keep it from nothing."""
    fee: FeeBody
    """What was collected for it and is kept: nothing unless it is admitted."""
    waitingSince: MomentText | None  # noqa: N815


class MyEntriesAnswer(Struct, frozen=True):
    """The asker's entries, the newest first, a hundred at most."""

    entries: list[MyEntry]


async def mine(services: Services, request: Request) -> Response:
    """Answer how the asker's entries stand.

    Raises:
        ProblemError: there is no such crucible, or nobody can tell.
    """
    try:
        found = await services.entry_questions.entries_of(request.params["id"], request.user_id, MAX_ENTRIES)
    except TemporaryError as error:
        raise site_problem(error) from error
    if found is None:
        raise ProblemError("unknown_crucible")
    return Response(encode(MyEntriesAnswer([_body(one) for one in found])))


def _body(one: OwnEntry) -> MyEntry:
    return MyEntry(
        entryId=one.entry_id,
        imageId=one.image_id,
        verdict="undecided" if one.state is None else one.state.value,
        reasons=reason_bodies(reasons_told(one.reasons)),
        fee=FeeBody(one.fee),
        waitingSince=None if one.waiting_ms is None else moment(one.waiting_ms),
    )


ROUTES: Final = (
    Route(
        name="mine",
        method="GET",
        path="/v1/crucibles/{id}/entries/mine",
        handle=mine,
        summary="How the asker's entries stand",
        params=(CRUCIBLE,),
        answer=MyEntriesAnswer,
        problems=("unknown_crucible",),
    ),
)
