"""How many requests a user may send: counted in Redis for all processes, decided here from what it last said.

A request is charged when its outcome is known, with the next votes or alone, so nobody waits for the count and what is
exempt is never charged. So a user may overshoot by what is in flight. Fails open: without
Redis nothing is refused here.

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
from watcher.api.http.problem import ProblemError
from watcher.redis.limit import LIMIT, charge_command, left
from watcher.redis.link import Link, LinkLostError

MAX_USERS: Final = 50_000
"""Users whose count is remembered here; a forgotten one is let through once."""
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
        self._kind, self._quota, self._link, self._clock = kind, quota, link, clock
        self._each_us = WINDOW_SECONDS * 1_000_000 // quota if quota else 0
        self._policy = b'"%s";q=%d;w=%d' % (kind.encode(), quota, WINDOW_SECONDS)
        self._name = b'"%s"' % kind.encode()
        self._known: dict[int, tuple[int, float, float]] = {}
        """By user, as Redis last said: requests left, when one more is free, when all are."""
        self._owed: dict[int, int] = {}
        """By user: requests that are not charged yet."""

    def wait(self, user_id: int) -> float:
        """Return the seconds until the user's next request is free; 0: now."""
        known = self._known.get(user_id)
        if known is None or known[0] > 0:
            return 0.0
        return max(0.0, known[1] - self._clock())

    def check(self, user_id: int) -> None:
        """Let those pass who have something left.

        Raises:
            ProblemError: ``rate_limited``.
        """
        if (wait := self.wait(user_id)) > 0:
            raise self.problem(wait)

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
        known = self._known.get(user_id)
        if known is None or known[0] <= 0:
            return
        if known[0] > 1:
            self._known[user_id] = known[0] - 1, known[1], known[2]
        else:  # nothing left, as far as we know; Redis is about to say for how long
            self._known[user_id] = 0, self._clock() + self._each_us / 1e6, known[2]

    def headers(self, user_id: int) -> list[Header]:
        """Return what the user has left, as of the last that we heard, as headers."""
        if not self._quota:
            return []
        requests, free, full = self._known.get(user_id) or (self._quota - 1, 0.0, self._clock() + self._each_us / 1e6)
        until = (full if requests else free) - self._clock()
        return [
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", b"%s;r=%d;t=%d" % (self._name, requests, max(0, math.ceil(until)))),
        ]

    def _settle(self) -> None:
        owed, self._owed = self._owed, {}
        try:
            answer = self._link.ask(charge_command(self._kind, owed, self._quota, self._each_us))
        except LinkLostError:
            return
        answer.add_done_callback(partial(self._note, owed))

    def _note(self, owed: Mapping[int, int], done: "asyncio.Future[object]") -> None:
        if done.cancelled() or done.exception() is not None:
            return
        answer = done.result()
        if isinstance(answer, hiredis.ReplyError):
            if str(answer).startswith("NOSCRIPT"):
                self._link.tell(("SCRIPT", "LOAD", LIMIT.text))
            return
        now, known = self._clock(), self._known
        for user_id, (requests, wait_ms, full_ms) in zip(owed, left(answer), strict=True):
            known[user_id] = requests, now + wait_ms / 1000, now + full_ms / 1000
        while len(known) > MAX_USERS:
            del known[next(iter(known))]
