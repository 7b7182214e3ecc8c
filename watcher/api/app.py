"""The application: routes behind the guard, the page, the document; and problems for whatever is none of these."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import starlette.requests
import starlette.responses
import starlette.routing
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from watcher.api.http.asgi import Application, Receive, Scope, Send
from watcher.api.http.guard import Guarded
from watcher.api.http.problem import ProblemError
from watcher.api.http.rate_limit import RateLimit
from watcher.api.http.response import Response
from watcher.api.http.static_files import ArenaFiles
from watcher.api.identity.auth import Authenticator
from watcher.api.identity.users import Users
from watcher.api.openapi import document
from watcher.api.routes import ROUTES
from watcher.api.services import Services
from watcher.telemetry.http import NO_ROUTE, PREFLIGHT, OtherMetrics, RouteMetrics
from watcher.telemetry.metrics.api import ApiMetrics

READ_HEADERS: Final = ("Authorization", "Content-Type", "If-None-Match", "Last-Event-ID")
"""Headers of a request that are read here, and that pages of other origins may hence send."""
EXPOSED_HEADERS: Final = ("RateLimit", "RateLimit-Policy", "Retry-After", "ETag", "Date")
"""Headers that pages of other origins may read."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the application is put together from."""

    services: Services
    """What resources answer from."""
    auth: Authenticator
    users: Users
    reads_limit: RateLimit
    """Of all requests but votes."""
    arena: ArenaFiles
    metrics: ApiMetrics
    cors_origins: Sequence[str] = ()
    cors_headers: Sequence[str] = ()
    """Headers that pages of other origins may send besides those that are read here."""


def application(parts: Parts) -> Application:
    """Return the ASGI application, with every route of ``routes.py``."""
    others = OtherMetrics(parts.metrics)
    routes: list[starlette.routing.BaseRoute] = []
    votes: Guarded | None = None
    for route in ROUTES:
        guarded = Guarded(
            partial(route.handle, parts.services),
            route.params,
            parts.auth,
            parts.users,
            parts.services.votes_limit if route.is_vote else parts.reads_limit,
            metrics=RouteMetrics(
                parts.metrics, route.path, route.method, parts.metrics.votes if route.is_vote else None
            ),
            strict=not route.is_vote,
        )
        known = _Path(route.path, guarded, methods=[route.method])
        routes.append(known)
        if route.is_vote:
            votes = guarded
    routes += [
        starlette.routing.Route(path, _Counted(answering, partial(others.answered, path)), methods=["GET"])
        for path, answering in (("/arena/{name}", parts.arena), ("/openapi.json", _Document()))
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: partial(_unrouted, others), Exception: partial(_internal, others)},
    )
    app.router.redirect_slashes = False
    front = app if votes is None else _votes_first(votes, app)
    if not parts.cors_origins:
        return front
    return _Cors(
        front,
        others,
        allow_origins=list(parts.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=[*READ_HEADERS, *parts.cors_headers],
        expose_headers=list(EXPOSED_HEADERS),
        max_age=600,
    )


class _Path(starlette.routing.Route):
    """A route that has its path to itself: another method is refused, and no other route's path is tried for it.

    So ``entries/check`` is nobody's id, whatever the method is.
    """

    def matches(self, scope: Scope) -> tuple[starlette.routing.Match, Scope]:
        """Return whether the path is this route's."""
        match, child = super().matches(scope)
        return (starlette.routing.Match.FULL if match is starlette.routing.Match.PARTIAL else match), child


class _Counted:
    """Answers as another application does, and has the answers counted.

    Args:
        app: the other one.
        answered: told of the method and the status of each answer.
    """

    def __init__(self, app: Application, answered: Callable[[str, int], None]) -> None:
        self._app, self._answered = app, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the other one does."""

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._answered(scope["method"], message["status"])
            await send(message)

        await self._app(scope, receive, counted)


class _Cors(CORSMiddleware):
    """Lets pages of other origins ask, and tells those that may not in the words of all our problems."""

    def __init__(self, app: Application, metrics: OtherMetrics, **allowed: Any) -> None:
        super().__init__(app, **allowed)
        self._metrics = metrics

    def preflight_response(self, request_headers: Headers) -> starlette.responses.Response:
        """Answer a browser that asks whether a page may."""
        response = super().preflight_response(request_headers)
        self._metrics.answered(PREFLIGHT, "OPTIONS", response.status_code)
        if response.status_code < 400:
            return response
        problem = ProblemError("cors_refused", bytes(response.body).decode())
        more = {name: value for name, value in response.headers.items() if name not in _OF_THE_BODY}
        return _response(problem, more)


def _votes_first(votes: Guarded, others: Starlette) -> Application:
    """Return an application that lets votes pass by the router, which costs each of them more than its token does."""

    def front(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path: str = scope.get("path", "")
        if path.endswith(_AFTER) and path.startswith(_BEFORE) and scope["method"] == "POST":
            crucible = path[len(_BEFORE) : -len(_AFTER)]
            if "/" not in crucible:
                scope["path_params"] = {"id": crucible}
                return votes(scope, receive, send)
        return others(scope, receive, send)

    return front


_OF_THE_BODY: Final = frozenset({"content-type", "content-length"})
_BEFORE, _AFTER = "/v1/crucibles/", "/votes"


class _Document:
    """Answers ``GET /openapi.json`` with the document."""

    def __init__(self) -> None:
        self._response = Response(
            msgspec.json.encode(document()),
            headers=((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")),
        )

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await self._response.send((), receive, send)


async def _unrouted(
    metrics: OtherMetrics, request: starlette.requests.Request, error: Exception
) -> starlette.responses.Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "no_such_route", 405: "method_not_allowed"}.get(status, "bad_request")
    more = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _counted_problem(metrics, request, ProblemError(code), more)


async def _internal(
    metrics: OtherMetrics, request: starlette.requests.Request, _: Exception
) -> starlette.responses.Response:
    return _counted_problem(metrics, request, ProblemError("internal"), {})


def _counted_problem(
    metrics: OtherMetrics, request: starlette.requests.Request, problem: ProblemError, more: Mapping[str, str]
) -> starlette.responses.Response:
    metrics.answered(NO_ROUTE, request.method, problem.status)
    return _response(problem, more)


def _response(problem: ProblemError, more: Mapping[str, str]) -> starlette.responses.Response:
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    return starlette.responses.Response(problem.body(), problem.status, {**headers, **more})
