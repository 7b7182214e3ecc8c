"""What stands before every route of ``/v1``: who asks, may they, and how is it answered when not.

An ASGI application of its own and no middleware: between the server and a vote lies nothing but this.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog

from watcher.api.http.asgi import Header, Receive, Scope, Send
from watcher.api.http.params import Param
from watcher.api.http.problem import ProblemError
from watcher.api.http.rate_limit import RateLimit
from watcher.api.http.request import Request
from watcher.api.http.response import Response
from watcher.api.identity.auth import Authenticator, Principal
from watcher.api.identity.users import Users
from watcher.postgres.fair_queue import ASKER
from watcher.telemetry.http import RouteMetrics

log = structlog.get_logger(__name__)

MAX_QUERY_BYTES: Final = 2_048
"""Bytes of a query string. No route has parameters of more than some hundred."""

Handle = Callable[[Request], Awaitable[Response]]
"""What a route does. Raises ``ProblemError``: it is not carried out."""


class Guarded:
    """A route behind the guard.

    Args:
        handle: what the route does.
        params: what it takes.
        auth: verifies tokens.
        users: the site's users.
        limit: the limit that its answers count against.
        strict: refuse a user who has nothing left; a route that is not strict sees to that itself.
        metrics: counts its answers.
    """

    def __init__(
        self,
        handle: Handle,
        params: Sequence[Param],
        auth: Authenticator,
        users: Users,
        limit: RateLimit,
        *,
        metrics: RouteMetrics,
        strict: bool = True,
    ) -> None:
        self._handle, self._auth, self._users, self._limit = handle, auth, users, limit
        self._strict, self._metrics = strict, metrics
        self._in_path = [param for param in params if param.in_path]
        self._in_query = {param.name: param for param in params if not param.in_path}
        self._defaults = {param.name: param.default for param in params if not param.in_path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        began = time.perf_counter()
        more: Sequence[Header] = ()
        user_id = 0
        try:
            principal = self._auth.principal(scope["headers"])
            user_id = principal.user_id
            ASKER.set(user_id)
            turns = self._limit.turns
            if not turns.is_taken(user_id):
                await turns.wait(user_id)
            try:
                if self._strict:
                    response = await self._answer(principal, scope, receive)
                else:
                    response = await self._carry_out(principal, scope, receive)
            finally:
                turns.give_back(user_id)
        except ProblemError as problem:
            self._metrics.refused(problem.code)
            charged = problem.status < 500 and problem.code != "rate_limited"
            response = Response(problem.body(), problem.status, problem.headers(), charged=charged)
        except Exception:
            log.exception("request.failed", route=self._metrics.route)
            internal = ProblemError("internal")
            self._metrics.refused(internal.code)
            response = Response(internal.body(), internal.status, internal.headers(), charged=False)
        if user_id:
            if response.charged:
                self._limit.charge(user_id)
            more = self._limit.headers(user_id)
        if scope["method"] == "HEAD":
            response = response.head()
        self._metrics.answered(response.status, time.perf_counter() - began)
        await response.send(more, receive, send)

    async def _answer(self, principal: Principal, scope: Scope, receive: Receive) -> Response:
        """Carry a request out that is within its user's limit.

        Raises:
            ProblemError: it is not carried out.
        """
        user_id, limit = principal.user_id, self._limit
        if (wait := limit.begin(user_id)) > 0:
            raise limit.problem(wait)
        try:
            return await self._carry_out(principal, scope, receive)
        finally:
            limit.end(user_id)

    async def _carry_out(self, principal: Principal, scope: Scope, receive: Receive) -> Response:
        params = self._read(scope)
        user = self._users.known(principal.user_id)
        if user is None:
            user = await self._users.user(principal.user_id)
        return await self._handle(Request(principal, user, params, scope["headers"], receive))

    def _read(self, scope: Scope) -> dict[str, Any]:
        """Return the parameters of a request.

        Raises:
            ProblemError: ``bad_request``; one is unknown, given twice or not what it may be.
        """
        params = self._defaults.copy()
        path: Mapping[str, str] = scope["path_params"]
        for param in self._in_path:
            params[param.name] = param.read(path[param.name])
        query: bytes = scope["query_string"]
        if query:
            if len(query) > MAX_QUERY_BYTES:
                raise ProblemError("bad_request", f"the query is longer than {MAX_QUERY_BYTES} bytes")
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
                params[name] = known.read(text)
        return params
