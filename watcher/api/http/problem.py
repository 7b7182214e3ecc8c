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


class Refusal(msgspec.Struct, frozen=True):
    """A row of the table: what a code means."""

    status: int
    title: str
    retry_after: int | None = None
    """Seconds after which the same request may go through."""


REFUSALS: Final[Mapping[str, Refusal]] = {
    # The request itself.
    "bad_request": Refusal(400, "The request is not what the OpenAPI document describes"),
    "bad_json": Refusal(400, "The body is not JSON of the described shape"),
    "body_too_large": Refusal(413, "The body is larger than a request of this API needs"),
    "headers_too_large": Refusal(431, "The headers are larger than a request of this API needs"),
    "wrong_media_type": Refusal(415, "The body has to be application/json"),
    "no_such_route": Refusal(404, "There is no such path"),
    "method_not_allowed": Refusal(405, "The path does not answer this method"),
    # Who asks.
    "no_token": Refusal(401, "A bearer token is needed"),
    "bad_token": Refusal(401, "The bearer token is not valid"),
    "token_expired": Refusal(401, "The bearer token has expired"),
    "user_unknown": Refusal(403, "The site has no such user"),
    "user_banned": Refusal(403, "This user is banned"),
    "user_muted": Refusal(403, "This user is muted"),
    "user_deleted": Refusal(403, "This user has left"),
    "judge_requirement_unmet": Refusal(403, "The crucible asks more of its judges"),
    "judge_requirement_unknown": Refusal(403, "The crucible asks something of its judges that is not understood"),
    "level_not_allowed": Refusal(403, "This is outside the levels that the user sees"),
    "rate_limited": Refusal(429, "Too many requests of this user"),
    "too_many_streams": Refusal(429, "Too many streams of this user", 5),
    # The vote.
    "pair_token_missing": Refusal(403, "A vote needs the token of the pair that was served"),
    "pair_token_malformed": Refusal(403, "This is no pair token"),
    "pair_token_forged": Refusal(403, "The pair token was not signed here"),
    "pair_token_foreign": Refusal(403, "The pair token is for another crucible, judge or pair"),
    "pair_token_expired": Refusal(410, "The pair token has expired; ask for a new pair"),
    "same_entry": Refusal(409, "An entry cannot win against itself"),
    "unknown_entry": Refusal(404, "The crucible has no such entry"),
    "not_admitted": Refusal(409, "An entry of the pair is not admitted"),
    "own_entry": Refusal(403, "Nobody judges an entry of their own"),
    "all_judged": Refusal(404, "This judge has judged every pair"),
    "no_pair": Refusal(404, "There are fewer than two entries for this judge"),
    "judged_otherwise": Refusal(409, "The pair was judged the other way round before"),
    # The crucible.
    "unknown_crucible": Refusal(404, "There is no such crucible"),
    "not_active": Refusal(409, "The crucible is not active"),
    "not_started": Refusal(409, "The crucible has not begun"),
    "ended": Refusal(409, "The crucible has ended"),
    "absent": Refusal(503, "The crucible's state is being brought back", 1),
    "unverified": Refusal(503, "The crucible's state is being compared with its sources", 1),
    "rebuilding": Refusal(503, "The crucible's state is being made anew", 1),
    "backlog": Refusal(503, "Votes come faster than they can be stored", 5),
    # Neighbours and this process.
    "redis_away": Refusal(503, "The live state cannot be reached", 1),
    "postgres_away": Refusal(503, "The site's database cannot be reached", 1),
    "clickhouse_away": Refusal(503, "The vote history cannot be reached", 2),
    "keys_away": Refusal(503, "The keys of tokens cannot be reached", 2),
    "overloaded": Refusal(503, "The server is busy", 1),
    "stopping": Refusal(503, "The server is stopping", 1),
    "internal": Refusal(500, "Something went wrong here"),
}
"""Every code. ``docs/api.md`` is written from it."""

_encode: Final = msgspec.json.Encoder().encode


class ProblemError(Exception):
    """A request that is not carried out.

    Args:
        code: a key of ``REFUSALS``.
        detail: what is special about this occurrence; never a secret or somebody else's id.
        retry_after: seconds, in place of the table's.
    """

    def __init__(self, code: str, detail: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail
        self.refusal = REFUSALS[code]
        self.retry_after = self.refusal.retry_after if retry_after is None else retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.refusal.status

    def body(self) -> bytes:
        """The problem as JSON."""
        return _encode(
            Problem(
                type=TYPE + self.code,
                title=self.refusal.title,
                status=self.refusal.status,
                code=self.code,
                detail=self.detail,
            )
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that belong to it."""
        headers = [(b"content-type", MEDIA_TYPE), (b"cache-control", b"no-store")]
        if self.retry_after is not None:
            headers.append((b"retry-after", b"%d" % max(1, self.retry_after)))
        if self.status == 401:
            said = 'error="invalid_token"' if self.code != "no_token" else 'realm="crucible"'
            headers.append((b"www-authenticate", f"Bearer {said}".encode()))
        return headers


def refusals_table() -> str:
    """The codes as a Markdown table."""
    rows: list[Any] = ["| code | status | what | `Retry-After` |", "|---|---|---|---|"]
    rows += [
        f"| `{code}` | {one.status} | {one.title} | {one.retry_after or ('until free' if one.status == 429 else '-')} |"
        for code, one in REFUSALS.items()
    ]
    return "\n".join(rows)
