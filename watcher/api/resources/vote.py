"""``POST /v1/crucibles/{id}/votes``: read, refuse what can be refused without Redis, ask the script, say what it said.

What is refused here for reasons that may pass (an expired pair token, a spent limit, a judge who no longer meets the
demands) is still sent to the script, which then answers a repeat and nothing else: somebody who lost the answer to a
vote that counted gets it whenever they ask again.
"""

import time
from collections.abc import Sequence
from typing import Annotated, Final

import hiredis
from msgspec import Meta, Struct

from watcher.api.http.asgi import Header
from watcher.api.http.body import JsonBody
from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.http.response import JSON, Response
from watcher.api.identity.users import may_vote
from watcher.api.resources.pair import NOTHING, OpenNow, PairBody, asker_of, open_now
from watcher.api.route import CRUCIBLE, OF_A_BODY, OF_A_CRUCIBLE, OF_A_JUDGE, OF_A_TOKEN, Route
from watcher.api.services import Services
from watcher.api.voting.ask_redis import refused
from watcher.api.voting.candidates import Asker
from watcher.api.voting.crucibles import Crucible
from watcher.api.wire import EntryId, MomentText, encode, moment
from watcher.model.pair_token import SignedPair, TokenFault
from watcher.model.vote import Vote, VoteOutcome, VoteRefusal
from watcher.redis.scripts import VOTE
from watcher.redis.vote import Ballot
from watcher.redis.wire import LinkLostError

_HEADERS: Final[Sequence[Header]] = (JSON, (b"cache-control", b"no-store"))
_COMING_BACK: Final = frozenset({VoteRefusal.ABSENT, VoteRefusal.UNVERIFIED})


class VoteBody(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A judge's choice between the two entries of a served pair."""

    winner: EntryId
    loser: EntryId
    token: Annotated[str, Meta(max_length=512, description="The token that came with the pair.")] | None = None


class Side(Struct, frozen=True, gc=False):
    """What the vote came to for one of the two."""

    entryId: EntryId  # noqa: N815 - the wire's spelling
    rating: int | None
    """After the vote. None, as the points: not told yet, or one of the two is in the pair that is open now."""
    delta: int | None
    """Points won or lost."""


class VoteAnswer(Struct, frozen=True, gc=False):
    """The vote, as it counted. Sent again, the same vote gets the same answer."""

    winner: Side
    loser: Side
    epoch: int
    seq: int
    """Place of the vote in its crucible, with the epoch before it."""
    votedAt: MomentText  # noqa: N815
    pair: PairBody | None = None
    """To judge next. None: ask for it, and learn why there is none."""
    following: PairBody | None = None
    """To judge after that, if there is one."""
    skipsLeft: int | None = None  # noqa: N815
    """Pairs that may be passed on before another one is judged; None if nobody knows just now."""


_BODY: Final = JsonBody(VoteBody)


async def vote(services: Services, request: Request) -> Response:
    """Cast a vote and answer what it came to.

    Raises:
        ProblemError: it does not count; the code says why.
    """
    limit, user_id = services.votes_limit, request.user_id
    over_seconds = limit.begin(user_id)
    try:
        return await _vote(services, request, over_seconds)
    finally:
        if not over_seconds:
            limit.end(user_id)  # and is charged by whoever called, before anybody else is looked at


async def _vote(services: Services, request: Request, over_seconds: float) -> Response:
    """Cast a vote and answer what it came to.

    Args:
        services: of this process.
        request: the judge's.
        over_seconds: seconds until the judge may vote again; 0: now.

    Raises:
        ProblemError: it does not count; the code says why.
    """
    uncounted, user_id = services.uncounted_votes, request.user_id
    wait_seconds = uncounted.wait_seconds(user_id)
    try:
        body = await _BODY.read(request, services.vote_rules.max_body_bytes)
        cast = Vote(request.params["id"], user_id, body.winner, body.loser)
        if wait_seconds and not uncounted.is_unrepeated(cast):
            raise uncounted.problem(wait_seconds)
        said, crucible, asker = await _counted(services, request, body, cast, over_seconds)
    except ProblemError as problem:
        uncounted.refused(user_id)
        if wait_seconds and problem.status < 500:
            raise uncounted.problem(wait_seconds) from problem
        raise
    (uncounted.repeated if said.repeated else uncounted.counted)(cast)
    return _answer(services, crucible, body, said, NOTHING if asker is None else await open_now(services, asker))


async def _counted(
    services: Services, request: Request, body: VoteBody, cast: Vote, over_seconds: float
) -> tuple[VoteOutcome, Crucible, Asker | None]:
    """Return what a vote came to, in which crucible, and the judge as pairs are open to them; None where none are.

    Raises:
        ProblemError: it does not count; the code says why.
    """
    may_vote(request.user)
    if body.winner == body.loser:
        raise ProblemError(VoteRefusal.SAME_ENTRY)
    crucible_id, user_id = cast.crucible_id, cast.user_id
    signed, refuse = _judge_token(services, body, crucible_id, user_id)
    crucible = services.crucibles.known(crucible_id)
    if crucible is None:
        crucible = await services.crucibles.find(crucible_id)
    if not crucible.live:
        raise ProblemError(VoteRefusal.NOT_ACTIVE)
    if refuse is None:
        unmet = crucible.requirements.refusal(verified=request.principal.verified, score=request.user.score)
        refuse = None if unmet is None else VoteRefusal(unmet)
    if refuse is None and over_seconds:
        refuse = VoteRefusal.RATE_LIMITED
    said = await _look_and_cast(services, request, crucible, cast, refuse=refuse, served=signed is not None)
    if isinstance(said, VoteOutcome):
        asker = asker_of(request, crucible, signed.level) if signed is not None and said.opened else None
        return said, crucible, asker
    if said in _COMING_BACK:
        services.crucibles.forget(crucible_id)
        services.on_unverified(crucible_id)
    if said is VoteRefusal.RATE_LIMITED:
        raise services.votes_limit.problem(over_seconds)
    raise ProblemError(said, crucible.requirements.not_understood if "requirement" in said else None)


async def _look_and_cast(
    services: Services, request: Request, crucible: Crucible, cast: Vote, *, refuse: VoteRefusal | None, served: bool
) -> VoteOutcome | VoteRefusal:
    """Return what the script says of a vote, which refuses one on what the judge may not see at this moment.

    Raises:
        ProblemError: ``redis_away``, or ``postgres_away`` for a vote that is no repeat.
    """
    away = None
    if refuse is None:
        levels = request.visible_levels(crucible.level)
        try:
            if not await services.entry_sight.are_visible((cast.winner, cast.loser), levels):
                refuse = VoteRefusal.NOT_ADMITTED
        except ProblemError as problem:
            away, refuse = problem, VoteRefusal.NOT_ADMITTED
    said = await _cast(services, cast, refuse, served=served)
    if away is not None and said is VoteRefusal.NOT_ADMITTED:
        raise away
    return said


def _judge_token(
    services: Services, body: VoteBody, crucible_id: int, user_id: int
) -> tuple[SignedPair | None, VoteRefusal | None]:
    """Return what the pair token says, None without one, and why it may not be voted with any more, None if it may.

    Raises:
        ProblemError: it is none of ours, or not for this vote.
    """
    if body.token is None:
        if services.vote_rules.require_token:
            raise ProblemError("pair_token_missing")
        return None, None
    signed = services.tokens.read(body.token)
    if isinstance(signed, TokenFault):
        raise ProblemError(f"pair_token_{signed.value}")
    fault = signed.fault(
        crucible_id=crucible_id, user_id=user_id, winner=body.winner, loser=body.loser, now=time.time()
    )
    if fault is TokenFault.EXPIRED:
        return signed, VoteRefusal.PAIR_TOKEN_EXPIRED
    if fault is not None:
        raise ProblemError(f"pair_token_{fault.value}")
    return signed, None


async def _cast(
    services: Services, cast: Vote, refuse: VoteRefusal | None, *, served: bool
) -> VoteOutcome | VoteRefusal:
    """Return what the script says of a vote.

    Args:
        services: of this process.
        cast: the vote.
        refuse: if given, only a repeat is answered; anything else is refused with this.
        served: the pair was served to the judge, and has to be the one to judge now.

    Raises:
        ProblemError: ``redis_away``.
    """
    for _ in range(2):
        try:
            said = await services.ballots.cast(Ballot(cast, refuse, served))
            if not isinstance(said, hiredis.ReplyError):
                return said
            if not str(said).startswith("NOSCRIPT"):
                raise refused(said)
            await services.votes_link.load(VOTE.text)
        except LinkLostError as error:
            raise ProblemError("redis_away") from error
    raise ProblemError("redis_away")


def _answer(services: Services, crucible: Crucible, body: VoteBody, counted: VoteOutcome, now: OpenNow) -> Response:
    (services.votes_repeated if counted.repeated else services.votes_counted).inc()
    shown = frozenset((now.pair.left.entryId, now.pair.right.entryId) if now.pair else ())
    winner = Side(body.winner, counted.winner_elo, counted.winner_delta)
    loser = Side(body.loser, counted.loser_elo, -counted.winner_delta)
    if services.disclosure.of_vote(crucible, shown).hides(body.winner, body.loser):
        winner, loser = Side(body.winner, None, None), Side(body.loser, None, None)
    told = VoteAnswer(
        winner,
        loser,
        counted.epoch,
        counted.seq,
        moment(counted.ms),
        now.pair,
        now.following,
        now.skipsLeft,
    )
    return Response(encode(told), headers=_HEADERS, charged=not counted.repeated)


ROUTES: Final = (
    Route(
        name="vote",
        method="POST",
        path="/v1/crucibles/{id}/votes",
        handle=vote,
        summary="Vote on a pair",
        detail="The same vote sent again gets the same answer and counts once, also after the token expired, the "
        "crucible ended or the limit was reached: whoever lost the answer just asks again. Beside it stands what is "
        "open to the judge at that moment. A vote counts on the pair that is open, not on the one that follows it, and "
        "on no other.",
        params=(CRUCIBLE,),
        body=VoteBody,
        answer=VoteAnswer,
        problems=(
            *OF_A_CRUCIBLE,
            *OF_A_BODY,
            *OF_A_JUDGE,
            "judge_requirement_unmet",
            "judge_requirement_unknown",
            "pair_token_missing",
            *OF_A_TOKEN,
            "same_entry",
            "unknown_entry",
            "not_admitted",
            "own_entry",
            "judged_otherwise",
            "not_active",
            "frozen",
            "not_started",
            "ended",
            "backlog",
        ),
        is_vote=True,
    ),
)
