"""``POST /v1/crucibles/{id}/skips``: pass the open pair on. How often goes by how many pairs the judge has judged."""

import time
from typing import Annotated, Final, cast

from msgspec import Meta, Struct

from watcher.api.http.body import JsonBody
from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.identity.users import may_vote
from watcher.api.resources.pair import OpenNow, asker_of, open_now
from watcher.api.route import CRUCIBLE, OF_A_BODY, OF_A_CRUCIBLE, OF_A_JUDGE, OF_A_TOKEN, Route
from watcher.api.services import Services
from watcher.api.voting.ask_redis import ask_redis
from watcher.api.wire import encode
from watcher.model.open_pairs import FREE_SKIPS, PAIRS_PER_SKIP
from watcher.model.pair_token import SignedPair, TokenFault
from watcher.redis.open_pairs import SKIP, skip_command

_OK: Final = b"ok"
_COMING_BACK: Final = frozenset({b"absent", b"unverified"})


class SkipBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The pair to pass on."""

    token: Annotated[str, Meta(max_length=512, description="The token that came with the pair.")]


_BODY: Final = JsonBody(SkipBody)


async def skip(services: Services, request: Request) -> Response:
    """Pass the open pair on, and answer what is open then.

    Raises:
        ProblemError: it is not passed on; the code says why.
    """
    may_vote(request.user)
    body = await _BODY.read(request, services.vote_rules.max_body_bytes)
    signed = _token(services, body, request.params["id"], request.user_id)
    crucible = await services.crucibles.find(signed.crucible_id)
    if not crucible.live:
        raise ProblemError("not_active")
    if crucible.frozen:
        raise ProblemError("frozen")
    link = services.reads_link
    command = skip_command(crucible.id, request.user_id, link.identity, signed.left, signed.right)
    said = cast("bytes", await ask_redis(link, command, SKIP))
    if said in _COMING_BACK:
        services.crucibles.forget(crucible.id)
        services.on_unverified(crucible.id)
    if said == b"skips_exhausted":
        raise ProblemError(
            "skips_exhausted", f"{FREE_SKIPS} pairs, and one more for every {PAIRS_PER_SKIP} that are judged"
        )
    if said != _OK:
        raise ProblemError(said.decode())
    return Response(encode(await open_now(services, asker_of(request, crucible, signed.level))))


def _token(services: Services, body: SkipBody, crucible_id: int, user_id: int) -> SignedPair:
    """Return what the token says.

    Raises:
        ProblemError: it is none of ours, for something else, or has expired.
    """
    signed = services.tokens.read(body.token)
    if isinstance(signed, TokenFault):
        raise ProblemError(f"pair_token_{signed.value}")
    fault = signed.fault(
        crucible_id=crucible_id, user_id=user_id, winner=signed.left, loser=signed.right, now=time.time()
    )
    if fault is not None:
        raise ProblemError(f"pair_token_{fault.value}")
    return signed


ROUTES: Final = (
    Route(
        name="skip",
        method="POST",
        path="/v1/crucibles/{id}/skips",
        handle=skip,
        summary="Pass a pair on",
        detail="The open pair is passed on and does not come again to this judge. A few may be passed on at once, and "
        "one more for every third pair that is judged. Sent again, it is answered as before and charged once.",
        params=(CRUCIBLE,),
        body=SkipBody,
        answer=OpenNow,
        problems=(
            *OF_A_CRUCIBLE,
            *OF_A_BODY,
            *OF_A_JUDGE,
            *OF_A_TOKEN,
            "skips_exhausted",
            "not_active",
            "frozen",
        ),
    ),
)
