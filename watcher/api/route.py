"""What a route is: what it takes, what it answers, which problems it has, and what carries it out.

Each module of ``resources/`` exports its own; the router, the guard and the OpenAPI document are made from them.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from watcher.api.http.params import Param
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.services import Services
from watcher.api.wire import MAX_ID

CRUCIBLE: Final = Param(name="id", what="Id of the crucible.", least=1, most=MAX_ID, in_path=True)
ENTRY: Final = Param(name="entryId", what="Id of the entry.", least=1, most=MAX_ID, in_path=True)
LEVEL: Final = Param(
    name="browsingLevel",
    what="Levels that are wanted, as flags: PG 1, PG13 2, R 4, X 8, XXX 16. Left out: all that the asker may see. Only "
    "what the asker's account and the crucible allow as well is shown.",
    least=0,
    most=63,
)

EVERYWHERE: Final = (
    "bad_request", "no_token", "bad_token", "token_expired", "user_unknown", "rate_limited", "keys_away",
    "postgres_away", "postgres_refuses", "redis_away", "redis_refuses", "overloaded", "internal",
)  # fmt: skip
"""Codes that every route may answer with."""
OF_A_CRUCIBLE: Final = ("unknown_crucible", "absent", "unverified", "rebuilding")
"""Codes of every route that is about one crucible."""

OF_A_BODY: Final = ("bad_json", "body_too_large", "wrong_media_type")
"""Codes of every route that takes a body."""
OF_A_JUDGE: Final = ("user_banned", "user_muted", "user_deleted")
"""Codes of every route for those who may vote."""
OF_A_TOKEN: Final = (
    *("pair_token_malformed", "pair_token_forged", "pair_token_foreign"),
    *("pair_token_expired", "pair_token_early", "pair_token_stale"),
)
"""Codes of every route that takes the token of a pair."""

WITHHELD: Final = ("standings_after_vote", "standings_at_end")
"""Codes of every route that tells how entries stand, which the setting ``api.standings`` may leave to later."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route of the API: method, path and all that is said of them."""

    name: str
    """The operation's id in the OpenAPI document."""
    method: str
    path: str
    handle: Callable[[Services, Request], Awaitable[Response]]
    """Carries a request out. Raises ``ProblemError``: it does not."""
    summary: str
    detail: str = ""
    params: tuple[Param, ...] = ()
    body: Any = None
    """Type of the request's body."""
    answer: Any = None
    """Type of the answer's body."""
    is_stream: bool = False
    """It answers with a stream of server-sent events, each of the type ``answer``."""
    problems: tuple[str, ...] = ()
    """Codes besides those that every route has."""
    is_vote: bool = False
    """It counts against the limit of votes, and sees to that limit itself."""
    has_entity_tag: bool = False
    """Its answer has an entity tag."""
