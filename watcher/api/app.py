"""The application: routes behind the guard, the page, the document; and problems for whatever is none of these."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import starlette.routing
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from watcher.api.http.guard import Answer, Ask, Guarded, Receive, Send
from watcher.api.http.problem import ProblemError
from watcher.api.http.rate_limit import Limit
from watcher.api.http.static_files import Pages
from watcher.api.identity.auth import Authenticator
from watcher.api.identity.users import People
from watcher.api.openapi import document
from watcher.api.routes import ROUTES
from watcher.telemetry.http import RouteMetrics
from watcher.telemetry.metrics import Metrics

Application = Callable[[Any, Receive, Send], Awaitable[None]]
Handle = Callable[[Ask], Awaitable[Answer]]
EXPOSED = ("RateLimit", "RateLimit-Policy", "Retry-After", "ETag", "Date")
"""Headers that pages of other origins may read."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the application is put together from."""

    handlers: Mapping[str, Handle]
    """What each route of the table does, by its name."""
    auth: Authenticator
    people: People
    votes_limit: Limit
    reads_limit: Limit
    pages: Pages
    metrics: Metrics
    cors_origins: Sequence[str] = ()


def application(parts: Parts) -> Application:
    """The ASGI application.

    Raises:
        KeyError: a route has no handler.
    """
    routes: list[starlette.routing.BaseRoute] = []
    votes: Guarded | None = None
    for route in ROUTES:
        guarded = Guarded(
            parts.handlers[route.name],
            route.params,
            parts.auth,
            parts.people,
            parts.votes_limit if route.votes else parts.reads_limit,
            metrics=RouteMetrics(parts.metrics, route.path, route.method, parts.metrics.votes if route.votes else None),
            strict=not route.votes,
        )
        known = starlette.routing.Route(route.path, guarded, methods=[route.method])
        known.methods = {route.method}  # it adds HEAD to GET, and a HEAD of a stream would run like one, for nobody
        routes.append(known)
        if route.votes:
            votes = guarded
    routes += [
        starlette.routing.Route("/arena/{name}", parts.pages, methods=["GET"]),
        starlette.routing.Route("/openapi.json", _Document(), methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _unrouted, Exception: _internal})
    app.router.redirect_slashes = False
    front = app if votes is None else _votes_first(votes, app)
    if not parts.cors_origins:
        return front
    return CORSMiddleware(
        front,
        allow_origins=list(parts.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", "Last-Event-ID"],
        expose_headers=list(EXPOSED),
        max_age=600,
    )


def _votes_first(votes: Guarded, others: Starlette) -> Application:
    """Let votes pass by the router, which costs each of them more than its token does."""

    def front(scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        path: str = scope.get("path", "")
        if path.endswith(_AFTER) and path.startswith(_BEFORE) and scope["method"] == "POST":
            crucible = path[len(_BEFORE) : -len(_AFTER)]
            if "/" not in crucible:
                scope["path_params"] = {"id": crucible}
                return votes(scope, receive, send)
        return others(scope, receive, send)

    return front


_BEFORE, _AFTER = "/v1/crucibles/", "/votes"


class _Document:
    """``GET /openapi.json``."""

    def __init__(self) -> None:
        self._answer = Answer(
            msgspec.json.encode(document()),
            headers=((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")),
        )

    async def __call__(self, _: Any, receive: Receive, send: Send) -> None:
        """Serve it."""
        await self._answer.send((), receive, send)


async def _unrouted(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "no_such_route", 405: "method_not_allowed"}.get(status, "bad_request")
    more = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _response(ProblemError(code), more)


async def _internal(_: Request, __: Exception) -> Response:
    return _response(ProblemError("internal"), {})


def _response(problem: ProblemError, more: Mapping[str, str]) -> Response:
    headers = {name.decode(): value.decode() for name, value in problem.headers()}
    return Response(problem.body(), problem.status, {**headers, **more})
