"""``POST /v1/crucibles/{id}/entries/check``: would this image do, and what would it cost."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from watcher.api.http.body import JsonBody
from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.route import CRUCIBLE, OF_A_BODY, Route
from watcher.api.services import Services
from watcher.api.site_problem import site_problem
from watcher.api.wire import MAX_ID, FeeBody, ReasonBody, encode, reason_bodies
from watcher.model.entry_decision import foresee
from watcher.model.entry_verdict import VerdictState
from watcher.model.errors import TemporaryError

MAX_BODY_BYTES: Final = 1_024
"""Bytes of a body. It holds one number."""


class CheckBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An image that the asker thinks of entering."""

    imageId: Annotated[int, Meta(ge=1, le=MAX_ID, description="Id of the image.")]  # noqa: N815 - the wire's spelling


class CheckAnswer(Struct, frozen=True):
    """What an entry with this image would come to if it were made now and its fee paid."""

    admitted: bool
    verdict: VerdictState
    """`waiting`: it would be decided once the image is scanned."""
    reasons: list[ReasonBody]
    """Every rule that it would break; of somebody else's image nothing but that it is somebody else's."""
    fee: FeeBody
    """What it would cost. Whether the asker has as much is looked at when it is charged."""


_BODY: Final = JsonBody(CheckBody)


async def check(services: Services, request: Request) -> Response:
    """Answer what an entry would come to, by the function that decides about entries.

    Raises:
        ProblemError: the body is not what it has to be, or there is no such crucible.
    """
    body = await _BODY.read(request, MAX_BODY_BYTES)
    try:
        found = await services.entry_questions.hypothetical(request.params["id"], request.user_id, body.imageId)
    except TemporaryError as error:
        raise site_problem(error) from error
    if found is None or found.facts.crucible is None:
        raise ProblemError("unknown_crucible")
    verdict = foresee(found)
    admitted = verdict.state is VerdictState.ADMITTED
    fee = FeeBody(max(0, found.facts.crucible.entry_fee))
    return Response(encode(CheckAnswer(admitted, verdict.state, reason_bodies(verdict.reasons), fee)))


ROUTES: Final = (
    Route(
        name="check",
        method="POST",
        path="/v1/crucibles/{id}/entries/check",
        handle=check,
        summary="Whether an image would be admitted",
        detail="Nothing is entered, charged or kept. 200 also where the entry would be rejected: `reasons` has every "
        "rule that it would break. Places may be gone by the time that it is made.",
        params=(CRUCIBLE,),
        body=CheckBody,
        answer=CheckAnswer,
        problems=("unknown_crucible", *OF_A_BODY),
    ),
)
