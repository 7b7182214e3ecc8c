"""What the API says when it does not do what was asked: RFC 9457 problems, one table of codes.

The codes are the interface: clients and tests compare them, texts may change. The codes of the vote script are the same
words as here.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = b"application/problem+json"
TYPE: Final = "urn:crucible:problem:"
"""Beginning of each problem's ``type``; the code follows."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why a request was not carried out (RFC 9457)."""

    type: str
    """``urn:crucible:problem:`` and the code."""
    title: str
    """What the code means; the same for each occurrence."""
    status: int
    """The HTTP status."""
    code: str
    """What clients compare."""
    detail: str | None = None
    """What is special about this occurrence."""


class ProblemKind(msgspec.Struct, frozen=True):
    """What a code means, the same for each occurrence."""

    status: int
    """HTTP status."""
    title: str
    retry_after_seconds: int | None = None
    """Seconds after which the same request may go through."""


PROBLEM_KINDS: Final[Mapping[str, ProblemKind]] = {
    # The request itself.
    "bad_request": ProblemKind(400, "The request is not what the OpenAPI document describes"),
    "bad_json": ProblemKind(400, "The body is not JSON of the described shape"),
    "body_too_large": ProblemKind(413, "The body is larger than a request of this API needs"),
    "headers_too_large": ProblemKind(431, "The headers are larger than a request of this API needs"),
    "wrong_media_type": ProblemKind(415, "The body has to be application/json"),
    "no_such_route": ProblemKind(404, "There is no such path"),
    "method_not_allowed": ProblemKind(405, "The path does not answer this method"),
    "cors_refused": ProblemKind(400, "Pages of this origin may not ask that from a browser"),
    # Who asks.
    "no_token": ProblemKind(401, "A bearer token is needed"),
    "bad_token": ProblemKind(401, "The bearer token is not valid"),
    "token_expired": ProblemKind(401, "The bearer token has expired"),
    "user_unknown": ProblemKind(403, "The site has no such user"),
    "user_banned": ProblemKind(403, "This user is banned"),
    "user_muted": ProblemKind(403, "This user is muted"),
    "user_deleted": ProblemKind(403, "This user has left"),
    "judge_requirement_unmet": ProblemKind(403, "The crucible asks more of its judges"),
    "judge_requirement_unknown": ProblemKind(403, "The crucible asks something of its judges that is not understood"),
    "level_not_allowed": ProblemKind(403, "This is outside the levels that the user sees"),
    "rate_limited": ProblemKind(429, "Too many requests of this user"),
    "too_many_streams": ProblemKind(429, "Too many streams of this user", 5),
    # The vote.
    "pair_token_missing": ProblemKind(403, "A vote needs the token of the pair that was served"),
    "pair_token_malformed": ProblemKind(403, "This is no pair token"),
    "pair_token_forged": ProblemKind(403, "The pair token was not signed here"),
    "pair_token_foreign": ProblemKind(403, "The pair token is for another crucible, judge or pair"),
    "pair_token_expired": ProblemKind(410, "The pair token has expired; ask for a new pair"),
    "pair_token_early": ProblemKind(409, "The pair comes after another one, which is neither judged nor skipped yet"),
    "pair_token_stale": ProblemKind(410, "The pair is not open to this judge any more; ask for a new pair"),
    "skips_exhausted": ProblemKind(429, "Too many pairs skipped; judge some first"),
    "same_entry": ProblemKind(409, "An entry cannot win against itself"),
    "unknown_entry": ProblemKind(404, "The crucible has no such entry"),
    "not_admitted": ProblemKind(409, "An entry of the pair is not admitted"),
    "own_entry": ProblemKind(403, "Nobody judges an entry of their own"),
    "all_judged": ProblemKind(404, "This judge has judged every pair"),
    "no_pair": ProblemKind(404, "There are fewer than two entries for this judge"),
    "pair_open": ProblemKind(403, "How an entry of an open pair stands is not told to its judge"),
    "standings_after_vote": ProblemKind(403, "Standings are told to who has voted in this crucible"),
    "standings_at_end": ProblemKind(403, "Standings are told once votes are over"),
    "judged_otherwise": ProblemKind(409, "The pair was judged the other way round before"),
    # The crucible.
    "unknown_crucible": ProblemKind(404, "There is no such crucible"),
    "not_active": ProblemKind(409, "The crucible is not active"),
    "frozen": ProblemKind(409, "Voting is over: the crucible's result is being worked out"),
    "not_started": ProblemKind(409, "The crucible has not begun"),
    "ended": ProblemKind(409, "The crucible has ended"),
    "absent": ProblemKind(503, "The crucible's state is being brought back", 1),
    "unverified": ProblemKind(503, "The crucible's state is being compared with its sources", 1),
    "rebuilding": ProblemKind(503, "The crucible's state is being made anew", 1),
    "backlog": ProblemKind(503, "Votes come faster than they can be stored", 5),
    # Neighbours and this process.
    "redis_away": ProblemKind(503, "The live state cannot be reached", 1),
    "redis_refuses": ProblemKind(503, "The live state cannot be written", 5),
    "postgres_away": ProblemKind(503, "The site's database cannot be reached", 1),
    "postgres_refuses": ProblemKind(503, "The site's database does not let us read what this needs", 5),
    "clickhouse_away": ProblemKind(503, "The vote history cannot be reached", 2),
    "keys_away": ProblemKind(503, "The keys of tokens cannot be reached", 2),
    "overloaded": ProblemKind(503, "The server is busy", 1),
    "stopping": ProblemKind(503, "The server is stopping", 1),
    "internal": ProblemKind(500, "Something went wrong here"),
}
"""Every code. ``docs/api.md`` is written from it."""

_encode: Final = msgspec.json.Encoder().encode


class ProblemError(Exception):
    """Raised when a request is not carried out; what the client is told.

    Args:
        code: a key of ``PROBLEM_KINDS``.
        detail: what is special about this occurrence; never a secret or somebody else's id.
        retry_after_seconds: in place of the table's.
    """

    def __init__(self, code: str, detail: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail
        self.kind = PROBLEM_KINDS[code]
        self.retry_after_seconds = self.kind.retry_after_seconds if retry_after_seconds is None else retry_after_seconds

    @property
    def status(self) -> int:
        """Return the HTTP status of the code."""
        return self.kind.status

    def body(self) -> bytes:
        """Return the problem as JSON."""
        return _encode(
            Problem(
                type=TYPE + self.code,
                title=self.kind.title,
                status=self.kind.status,
                code=self.code,
                detail=self.detail,
            )
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that belong to it, the media type among them."""
        headers = [(b"content-type", MEDIA_TYPE), (b"cache-control", b"no-store")]
        if self.retry_after_seconds is not None:
            headers.append((b"retry-after", b"%d" % max(1, self.retry_after_seconds)))
        if self.status == 401:
            said = 'error="invalid_token"' if self.code != "no_token" else 'realm="crucible"'
            headers.append((b"www-authenticate", f"Bearer {said}".encode()))
        return headers


def problem_table() -> str:
    """Return the codes as a Markdown table."""
    rows: list[Any] = ["| code | status | what | `Retry-After` |", "|---|---|---|---|"]
    rows += [
        f"| `{code}` | {one.status} | {one.title} | {one.retry_after_seconds or _unless_fixed(code)} |"
        for code, one in PROBLEM_KINDS.items()
    ]
    return "\n".join(rows)


def _unless_fixed(code: str) -> str:
    """Return when to come back, in words, where the table does not say."""
    return {"rate_limited": "until free", "skips_exhausted": "once more is judged"}.get(code, "-")
