"""What stands before every route of ``/v1``: who asks, may they, and how is it answered when not.

An ASGI application of its own and no middleware: between the server and a vote lies nothing but this.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog

from watcher.api.http.problem import ProblemError
from watcher.api.http.rate_limit import Header, Limit
from watcher.api.http.whole_answer import sent_whole
from watcher.api.identity.auth import Authenticator, Principal
from watcher.api.identity.users import People, Person
from watcher.telemetry.http import RouteMetrics

log = structlog.get_logger(__name__)

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

LONGEST_QUERY: Final = 2_048
"""Bytes of a query string."""
JSON: Final[Header] = (b"content-type", b"application/json")
PRIVATE: Final[Header] = (b"cache-control", b"private, no-store")


class Answer:
    """What is sent back.

    Args:
        body: encoded.
        status: HTTP status.
        headers: besides length and limits.
        charged: whether it counts against the user's limit.
    """

    __slots__ = ("body", "charged", "headers", "status")

    def __init__(
        self, body: bytes, status: int = 200, headers: Sequence[Header] = (JSON, PRIVATE), *, charged: bool = True
    ) -> None:
        self.body, self.status, self.headers, self.charged = body, status, headers, charged

    async def send(self, more: Sequence[Header], receive: Receive, send: Send) -> None:
        """Send it.

        Args:
            more: headers that every answer of the route has.
            receive: the client's side.
            send: our side.
        """
        del receive
        headers = [*self.headers, *more]
        if self.status != 304:
            headers.append((b"content-length", b"%d" % len(self.body)))
        if sent_whole(send, self.status, headers, self.body):
            return
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a route: a whole number within bounds, or a text of bounded length."""

    name: str
    what: str
    """A sentence for the OpenAPI document."""
    kind: type = int
    least: int = 0
    most: int
    """Largest number, or longest text."""
    default: int | str | None = None
    pattern: str | None = None
    """What a text has to match as a whole; every text that does is taken."""
    in_path: bool = False

    def read(self, text: str) -> int | str:
        """The value.

        Raises:
            ProblemError: it is not one.
        """
        if self.kind is str:
            if len(text) > self.most or (self.pattern is not None and not re.fullmatch(self.pattern, text, re.ASCII)):
                raise ProblemError("bad_request", f"{self.name}: expected {self.what}")
            return text
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and self.least <= int(text) <= self.most):
            raise ProblemError("bad_request", f"{self.name}: expected a whole number from {self.least} to {self.most}")
        return int(text)


class Ask(msgspec.Struct):
    """A request of somebody whom we know."""

    principal: Principal
    person: Person
    given: dict[str, Any]
    """Parameters by name, with their defaults."""
    headers: Sequence[Header]
    receive: Receive

    @property
    def user_id(self) -> int:
        """Who asks."""
        return self.principal.user_id

    @property
    def own_level(self) -> int:
        """Flags of the asker's account: the token's, else the site's."""
        claimed = self.principal.browsing_level
        return self.person.browsing_level if claimed is None else claimed

    @property
    def show_nsfw(self) -> bool:
        """Whether the asker wants more than PG at all: the token's word, else the site's."""
        claimed = self.principal.show_nsfw
        return self.person.show_nsfw if claimed is None else claimed

    def header(self, name: bytes) -> bytes | None:
        """A header's value."""
        return next((value for each, value in self.headers if each == name), None)


Handle = Callable[[Ask], Awaitable[Answer]]


class Guarded:
    """A route behind the guard.

    Args:
        handle: what the route does.
        params: what it takes.
        auth: verifies tokens.
        people: the site's users.
        limit: the limit that its answers count against.
        strict: refuse a user who has nothing left; a route that is not strict sees to that itself.
        metrics: counts its answers.
    """

    def __init__(
        self,
        handle: Handle,
        params: Sequence[Param],
        auth: Authenticator,
        people: People,
        limit: Limit,
        *,
        metrics: RouteMetrics,
        strict: bool = True,
    ) -> None:
        self._handle, self._auth, self._people, self._limit = handle, auth, people, limit
        self._strict, self._metrics = strict, metrics
        self._in_path = [param for param in params if param.in_path]
        self._in_query = {param.name: param for param in params if not param.in_path}
        self._defaults = {param.name: param.default for param in params if not param.in_path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        began = time.perf_counter()
        more: Sequence[Header] = ()
        user_id = 0
        try:
            principal = self._auth.principal(scope["headers"])
            user_id = principal.user_id
            if self._strict:
                self._limit.check(user_id)
            given = self._read(scope)
            person = self._people.known(user_id)
            if person is None:
                person = await self._people.person(user_id)
            answer = await self._handle(Ask(principal, person, given, scope["headers"], receive))
        except ProblemError as problem:
            self._metrics.refused(problem.code)
            answer = Answer(problem.body(), problem.status, problem.headers(), charged=problem.status < 500)
            if problem.code == "rate_limited":
                answer.charged = False
        except Exception:
            log.exception("request.failed", route=self._metrics.route)
            internal = ProblemError("internal")
            self._metrics.refused(internal.code)
            answer = Answer(internal.body(), internal.status, internal.headers(), charged=False)
        if user_id:
            if answer.charged:
                self._limit.charge(user_id)
            more = self._limit.headers(user_id)
        self._metrics.answered(answer.status, time.perf_counter() - began)
        await answer.send(more, receive, send)

    def _read(self, scope: Scope) -> dict[str, Any]:
        given = self._defaults.copy()
        path: Mapping[str, str] = scope["path_params"]
        for param in self._in_path:
            given[param.name] = param.read(path[param.name])
        query: bytes = scope["query_string"]
        if query:
            if len(query) > LONGEST_QUERY:
                raise ProblemError("bad_request", f"the query is longer than {LONGEST_QUERY} bytes")
            seen = set()
            for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
                known = self._in_query.get(name)
                if known is None:
                    raise ProblemError(
                        "bad_request", "unknown parameter; known: " + (", ".join(self._in_query) or "none")
                    )
                if name in seen:
                    raise ProblemError("bad_request", f"{name}: given twice")
                seen.add(name)
                given[name] = known.read(text)
        return given
