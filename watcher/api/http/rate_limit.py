"""How many requests a user may send: counted in Redis for all processes, decided here from what it last said.

A request is charged when its outcome is known, with the next votes or alone, so nobody waits for the count and what is
exempt is never charged. What is under way counts until then; so in one process the limit holds exactly, and each
further one adds what it answers before it hears of the others. Without Redis each process counts for itself.

Headers: ``RateLimit-Policy`` and ``RateLimit`` of draft-ietf-httpapi-ratelimit-headers-11, and ``Retry-After``.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import hiredis

from watcher.api.http.asgi import Header
from watcher.api.http.leaky_buckets import LeakyBuckets
from watcher.api.http.problem import ProblemError
from watcher.api.http.turns import Turns
from watcher.redis.limit import LIMIT, charge_command, left
from watcher.redis.link import Link
from watcher.redis.wire import LinkLostError

WINDOW_SECONDS: Final = 60
"""Seconds in which the quota flows back."""


class RateLimit:
    """A limit of the requests of each user: votes, or all others.

    Args:
        kind: ``votes`` or ``reads``.
        quota: requests of a user in a window, which may come at once; 0: no limit.
        link: where the count is kept.
        clock: monotonic seconds.
    """

    def __init__(self, kind: str, quota: int, link: Link, clock: Callable[[], float] = time.monotonic) -> None:
        self._kind, self._quota, self._link = kind, quota, link
        self._each_us = WINDOW_SECONDS * 1_000_000 // quota if quota else 0
        self._policy = b'"%s";q=%d;w=%d' % (kind.encode(), quota, WINDOW_SECONDS)
        self._name = b'"%s"' % kind.encode()
        self._buckets = LeakyBuckets(quota or 1, WINDOW_SECONDS, clock)
        self.turns = Turns()
        self._under_way: dict[int, int] = {}
        """By user: requests that were let pass, and may be charged."""
        self._owed: dict[int, int] = {}
        """By user: requests that Redis is still to be told of."""
        self._told: dict[int, int] = {}
        """By user: requests that Redis was told of, and has not answered yet."""

    def begin(self, user_id: int) -> float:
        """Return the seconds until a request of the user is within the limit; 0: it is, until :meth:`end` is called."""
        under_way = self._under_way.get(user_id, 0)
        if self._quota and (wait := self._buckets.wait_seconds(user_id, under_way)) > 0:
            return wait
        self._under_way[user_id] = under_way + 1
        return 0.0

    def end(self, user_id: int) -> None:
        """Note the end of a request that was let pass; whether it is charged is said at once."""
        under_way = self._under_way[user_id] - 1
        if under_way:
            self._under_way[user_id] = under_way
        else:
            del self._under_way[user_id]

    def problem(self, wait: float) -> ProblemError:
        """Return the problem of a user who has nothing left.

        Args:
            wait: seconds until the next one is free.
        """
        return ProblemError("rate_limited", f"{self._quota} {self._kind} a minute", max(1, math.ceil(wait)))

    def charge(self, user_id: int) -> None:
        """Count one request of the user, with the others of this loop turn."""
        if not self._quota:
            return
        if not self._owed:
            asyncio.get_running_loop().call_soon(self._settle)
        self._owed[user_id] = self._owed.get(user_id, 0) + 1
        self._buckets.charge(user_id)

    def headers(self, user_id: int) -> list[Header]:
        """Return what the user has left, as of the last that we heard, as headers."""
        if not self._quota:
            return []
        requests, until = self._buckets.left(user_id)
        return [
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", b"%s;r=%d;t=%d" % (self._name, requests, math.ceil(until))),
        ]

    def _settle(self) -> None:
        owed, self._owed = self._owed, {}
        try:
            answer = self._link.ask(charge_command(self._kind, owed, self._quota, self._each_us))
        except LinkLostError:
            return
        for user_id, requests in owed.items():
            self._told[user_id] = self._told.get(user_id, 0) + requests
        answer.add_done_callback(partial(self._note, owed))

    def _note(self, owed: Mapping[int, int], done: "asyncio.Future[object]") -> None:
        for user_id, requests in owed.items():
            self._told[user_id] -= requests
            if not self._told[user_id]:
                del self._told[user_id]
        if done.cancelled() or done.exception() is not None:
            return
        answer = done.result()
        if isinstance(answer, hiredis.ReplyError):
            if str(answer).startswith("NOSCRIPT"):
                self._link.tell(("SCRIPT", "LOAD", LIMIT.text))
            return
        for user_id, (_, __, full_ms) in zip(owed, left(answer), strict=True):
            unknown = self._told.get(user_id, 0) + self._owed.get(user_id, 0)
            self._buckets.say(user_id, full_ms / 1000 + unknown * self._buckets.each_seconds)
