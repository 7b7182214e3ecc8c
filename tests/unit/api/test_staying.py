"""A stream ends when whoever holds it may not follow any more, and not only when their token expires."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import jwt
import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.http.request import Request
from watcher.api.identity import followers as staying
from watcher.api.identity import users as remembering
from watcher.api.identity.auth import Authenticator, Principal
from watcher.api.identity.followers import Follower, Followers
from watcher.api.identity.users import User, Users, may_follow
from watcher.model.errors import TemporaryError

SECRET = b"a secret of thirty-two bytes, or more"
ROW = {"banned": False, "muted": False, "deleted": False, "browsing_level": 1, "show_nsfw": False, "score": None}


class World:
    """The site's users and the keys of tokens, as the test has them change."""

    def __init__(self) -> None:
        self.banned: set[int] = set()
        self.gone: set[int] = set()
        self.away = False
        self.questions: list[list[int]] = []
        self.asked = asyncio.Event()
        self.auth = Authenticator(issuer="site", audience="votes", secrets=[SECRET])
        self.followers = Followers(self.auth, Users(self._users))

    async def _users(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        self.questions.append(sorted(ids))
        self.asked.set()
        if self.away:
            raise TemporaryError("away")
        return [{**ROW, "id": one, "banned": one in self.banned} for one in ids if one not in self.gone]

    def request(self, user_id: int) -> Request:
        """Of a user, with a token that holds."""
        given = {"sub": str(user_id), "iss": "site", "aud": "votes", "exp": int(time.time()) + 60}
        headers = [(b"host", b"x"), (b"authorization", b"Bearer " + jwt.encode(given, SECRET, "HS256").encode())]
        self.auth.principal(headers)
        return Request(Principal(user_id, 0.0), cast("User", None), {}, headers, cast("Any", None))


@pytest.fixture(autouse=True)
def looked_at_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is looked at again at once, and nothing of them is remembered."""
    monkeypatch.setattr(staying, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(remembering, "FRESH_SECONDS", 0.0)


@asynccontextmanager
async def watched() -> AsyncIterator[World]:
    """A world whose followers are looked at."""
    made = World()
    task = asyncio.create_task(made.followers.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def is_gone(follower: Follower) -> bool:
    """Whether a stream ends within a second."""
    done, _ = await asyncio.wait([follower.gone], timeout=1.0)
    return bool(done)


async def stays(world: World, follower: Follower) -> bool:
    """Whether a stream is still open after everybody was looked at twice more."""
    for _ in range(2):
        world.asked.clear()
        await asyncio.wait_for(world.asked.wait(), 1.0)
    return not follower.gone.done()


async def test_whoever_is_banned_or_gone_follows_no_more() -> None:
    """Their streams end, all of them; those of others go on, also while the site's database is away."""
    async with watched() as world, AsyncExitStack() as stack:
        first, second, other, leaver = (
            stack.enter_context(world.followers.following(world.request(user))) for user in (1, 1, 2, 3)
        )
        world.banned.add(1)
        world.gone.add(3)

        assert [await is_gone(one) for one in (first, second, leaver)] == [True] * 3
        assert await stays(world, other)
        world.away = True
        assert await stays(world, other)


async def test_a_withdrawn_key_ends_its_streams_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody would have been looked at again."""
    monkeypatch.setattr(staying, "LOOK_SECONDS", 60.0)
    async with watched() as world:
        with world.followers.following(world.request(1)) as follower:
            world.auth._secrets = (b"another secret of thirty-two bytes, at least",)
            world.auth.forget()
            await asyncio.sleep(0.02)  # time is what is tested: nobody looks by himself within it
            assert not follower.gone.done()
            world.followers.look_soon()

            assert await is_gone(follower)


async def test_everybody_is_one_question() -> None:
    """However many follow; who follows no more is not asked about."""
    async with watched() as world, AsyncExitStack() as stack:
        with world.followers.following(world.request(9)):
            pass
        many = [stack.enter_context(world.followers.following(world.request(one))) for one in range(1, 8)]

        assert await stays(world, many[0])
        assert {tuple(one) for one in world.questions} == {(1, 2, 3, 4, 5, 6, 7)}


@pytest.mark.parametrize(("column", "code"), [("banned", "user_banned"), ("deleted", "user_deleted")])
def test_who_may_not_follow_does_not_begin(column: str, code: str) -> None:
    """A stream that ended would otherwise be asked for again and again."""
    with pytest.raises(ProblemError, match=code):
        may_follow(User(**{**ROW, column: True}))  # type: ignore[arg-type]
