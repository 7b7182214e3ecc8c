"""A vote: read, refuse what can be refused without Redis, ask the script, say what it said.

What is refused here for reasons that may pass (an expired pair token, a spent limit, a judge who no longer meets the
demands) is still sent to the script, which then answers a repeat and nothing else: somebody who lost the answer to a
vote that counted gets it whenever they ask again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import hiredis
import msgspec

from watcher.api.http.guard import JSON, Answer, Ask, Receive
from watcher.api.http.problem import ProblemError
from watcher.api.http.rate_limit import Header, Limit
from watcher.api.identity.users import may_vote
from watcher.api.resources.bodies import Side, VoteAnswer, VoteBody, encode, moment
from watcher.api.resources.crucibles import Crucibles
from watcher.model.pair_token import PairTokens, TokenFault
from watcher.model.vote import Refusal, Vote, VoteOutcome
from watcher.redis import keys
from watcher.redis.link import Link, LinkLostError
from watcher.redis.scripts import VOTE
from watcher.redis.vote import outcome, vote_command
from watcher.telemetry.metrics import Metrics

_decode: Final = msgspec.json.Decoder(VoteBody).decode
_HEADERS: Final[Sequence[Header]] = (JSON, (b"cache-control", b"no-store"))
_COMING_BACK: Final = frozenset({Refusal.ABSENT, Refusal.UNVERIFIED})


class Votes:
    """``POST /v1/crucibles/{id}/votes``.

    Args:
        link: the connection that votes go through, and no other traffic.
        crucibles: what is known of them.
        limit: votes of a user.
        tokens: reads pair tokens.
        require_token: a vote needs one.
        body_limit: bytes of a body.
        max_log: votes of a crucible that may wait for ClickHouse.
        unverified: told of a crucible whose state has to be verified or brought back.
        metrics: the process's.
    """

    def __init__(
        self,
        *,
        link: Link,
        crucibles: Crucibles,
        limit: Limit,
        tokens: PairTokens,
        require_token: bool,
        body_limit: int,
        max_log: int,
        unverified: Callable[[int], None],
        metrics: Metrics,
    ) -> None:
        self._link, self._crucibles, self._limit, self._tokens = link, crucibles, limit, tokens
        self._require_token, self._body_limit, self._max_log = require_token, body_limit, max_log
        self._unverified = unverified
        self._counted, self._repeated = metrics.votes.labels("ok"), metrics.votes.labels("repeated")

    async def __call__(self, ask: Ask) -> Answer:
        """Cast the vote.

        Raises:
            ProblemError: it does not count; the code says why.
        """
        counted = await self._vote(ask)
        (self._repeated if counted.repeated else self._counted).inc()
        winner, loser = ask.given["winner"], ask.given["loser"]
        body = VoteAnswer(
            Side(winner, counted.winner_elo, counted.winner_delta),
            Side(loser, counted.loser_elo, -counted.winner_delta),
            counted.epoch,
            counted.seq,
            moment(counted.ms),
        )
        return Answer(encode(body), headers=_HEADERS, charged=not counted.repeated)

    async def _vote(self, ask: Ask) -> VoteOutcome:
        may_vote(ask.person)
        body = await self._body(ask)
        crucible_id: int = ask.given["id"]
        user_id = ask.user_id
        ask.given["winner"], ask.given["loser"] = body.winner, body.loser
        if body.winner == body.loser:
            raise ProblemError(Refusal.SAME_ENTRY)
        refuse = self._token(body, crucible_id, user_id)
        crucible = self._crucibles.known(crucible_id)
        if crucible is None:
            crucible = await self._crucibles.find(crucible_id)
        if not crucible.live:
            raise ProblemError(Refusal.NOT_ACTIVE)
        if refuse is None:
            unmet = crucible.requirements.refusal(verified=ask.principal.verified, score=ask.person.score)
            refuse = None if unmet is None else Refusal(unmet)
        wait = self._limit.wait(user_id)
        if refuse is None and wait > 0:
            refuse = Refusal.RATE_LIMITED
        said = await self._cast(Vote(crucible_id, user_id, body.winner, body.loser), refuse)
        if isinstance(said, VoteOutcome):
            return said
        if said in _COMING_BACK:
            self._crucibles.forget(crucible_id)
            self._unverified(crucible_id)
        if said is Refusal.RATE_LIMITED:
            raise self._limit.problem(wait)
        raise ProblemError(said, crucible.requirements.not_understood if "requirement" in said else None)

    def _token(self, body: VoteBody, crucible_id: int, user_id: int) -> Refusal | None:
        """What the pair token leaves to say; None if it is good.

        Raises:
            ProblemError: it is none of ours, or not for this vote.
        """
        if body.token is None:
            if self._require_token:
                raise ProblemError("pair_token_missing")
            return None
        signed = self._tokens.read(body.token)
        if isinstance(signed, TokenFault):
            raise ProblemError(f"pair_token_{signed.value}")
        fault = signed.fault(
            crucible_id=crucible_id, user_id=user_id, winner=body.winner, loser=body.loser, now=time.time()
        )
        if fault is TokenFault.EXPIRED:
            return Refusal.PAIR_TOKEN_EXPIRED
        if fault is not None:
            raise ProblemError(f"pair_token_{fault.value}")
        return None

    async def _cast(self, vote: Vote, refuse: Refusal | None) -> VoteOutcome | Refusal:
        link = self._link
        hint = ("SADD", keys.undrained(keys.bucket(vote.crucible_id)), vote.crucible_id)
        for _ in range(2):
            try:
                # In this order on one connection: the hint must not come after the vote.
                link.tell_once(hint)
                said = await link.ask(vote_command(VOTE.sha, vote, link.identity, refuse, self._max_log))
                if not isinstance(said, hiredis.ReplyError):
                    return outcome(said)
                if not str(said).startswith("NOSCRIPT"):
                    raise ProblemError("redis_away") from RuntimeError(str(said))
                await link.load(VOTE.text)
            except LinkLostError as error:
                raise ProblemError("redis_away") from error
        raise ProblemError("redis_away")

    async def _body(self, ask: Ask) -> VoteBody:
        kind, length = b"", None
        for name, value in ask.headers:
            if name == b"content-type":
                kind = value
            elif name == b"content-length":
                length = value
        if kind != b"application/json" and kind.split(b";", 1)[0].strip().lower() != b"application/json":
            raise ProblemError("wrong_media_type")
        if length is not None and (not length.isdigit() or len(length) > 9 or int(length) > self._body_limit):
            raise TooLargeError(self._body_limit)
        text = await body_of(ask.receive, self._body_limit)
        try:
            return _decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            if isinstance(error, msgspec.ValidationError) and (body := _whole(text)) is not None:
                return body
            raise ProblemError("bad_json", str(error) if isinstance(error, msgspec.DecodeError) else None) from error


def _whole(text: bytes) -> VoteBody | None:
    """A body whose ids are written with a fraction of nothing, 7.0: whole numbers by JSON Schema, and rare.

    >>> _whole(b'{"winner": 7.0, "loser": 8}')
    VoteBody(winner=7, loser=8, token=None)
    >>> _whole(b'{"winner": 7.5, "loser": 8}')
    """
    try:
        told = msgspec.json.decode(text, type=dict[str, int | float | str | None])
        for name in ("winner", "loser"):
            number = told.get(name)
            if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
                told[name] = int(number)
        return msgspec.convert(told, VoteBody)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


class TooLargeError(ProblemError):
    """A body that is not read to its end; the connection is closed, because what follows on it is still that body."""

    def __init__(self, most: int) -> None:
        super().__init__("body_too_large", f"{most} bytes are allowed")

    def headers(self) -> list[Header]:
        """The problem's, and the farewell."""
        return [*super().headers(), (b"connection", b"close")]


async def body_of(receive: Receive, most: int) -> bytes:
    """A request's body.

    Raises:
        ProblemError: it is too large, or the client hung up before its end.
    """
    message = await receive()
    taken: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(taken) > most:
            break
        message = await receive()
        taken += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ProblemError("bad_request", "the body ended before its end")
    if len(taken) > most:
        raise TooLargeError(most)
    return taken
