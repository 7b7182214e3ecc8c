"""Asks again about everybody who holds a stream open: a request is judged once, and a stream lasts for hours."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.identity.auth import Authenticator
from watcher.api.identity.users import Users, may_follow

LOOK_SECONDS: Final = 5.0
"""Seconds between two looks at everybody. Longer: who is banned follows for longer, on top of what is remembered of a
user. Shorter: more questions to the site's database."""
TOKENS_AT_ONCE: Final = 50
"""Tokens that are looked at in one turn of the loop: verified anew, after a key was withdrawn, each takes 0.1 ms."""
USERS_AT_ONCE: Final = 500
"""Users of one question to the site's database."""
_UNTOLD: Final = frozenset({"postgres_away", "overloaded", "internal"})
"""Problems that tell nothing about the user."""


class Follower:
    """Somebody with an open stream.

    Args:
        request: that it was asked for with.
    """

    __slots__ = ("gone", "headers", "user_id")

    def __init__(self, request: Request) -> None:
        self.user_id = request.user_id
        self.headers = [each for each in request.headers if each[0] == b"authorization"]
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Is done once the follower may not follow any more."""

    def end(self) -> None:
        """Have the stream end."""
        if not self.gone.done():
            self.gone.set_result(None)


class Followers:
    """Everybody with an open stream in this process.

    Args:
        auth: verifies tokens.
        users: the site's users.
    """

    def __init__(self, auth: Authenticator, users: Users) -> None:
        self._auth, self._users = auth, users
        self._open: set[Follower] = set()
        self._wanted = asyncio.Event()

    @contextmanager
    def following(self, request: Request) -> Iterator[Follower]:
        """Return whoever asks, who is looked at again until the end of this context."""
        follower = Follower(request)
        self._open.add(follower)
        try:
            yield follower
        finally:
            self._open.discard(follower)

    def look_soon(self) -> None:
        """Look at everybody now: a key is trusted no more."""
        self._wanted.set()

    async def run(self) -> None:
        """Look at everybody again and again, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()
            self._wanted.clear()
            await self._look()

    async def _look(self) -> None:
        """End the streams of those whose token does not hold any more, and of those who may not follow."""
        there = list(self._open)
        for at, follower in enumerate(there, 1):
            try:
                self._auth.principal(follower.headers)
            except ProblemError:  # also when nobody can tell: keys that cannot be read for an hour are no keys
                follower.end()
            if at % TOKENS_AT_ONCE == 0:
                await asyncio.sleep(0)
        user_ids = sorted({follower.user_id for follower in there if not follower.gone.done()})
        for start in range(0, len(user_ids), USERS_AT_ONCE):
            part = user_ids[start : start + USERS_AT_ONCE]
            refused = {one for one, may in zip(part, await self._may(part), strict=True) if not may}
            for follower in there:
                if follower.user_id in refused:
                    follower.end()

    async def _may(self, user_ids: Sequence[int]) -> list[bool]:
        """Return who of these may follow, from one question; who was let in stays while nobody can tell."""

        async def one(user_id: int) -> bool:
            try:
                may_follow(await self._users.user(user_id))
            except ProblemError as problem:
                return problem.code in _UNTOLD
            return True

        return await asyncio.gather(*map(one, user_ids))
