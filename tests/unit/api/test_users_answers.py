"""Whoever asks for a user gets an answer, whatever the site's database says."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.identity import users
from watcher.api.identity.users import User, Users
from watcher.model.errors import TemporaryError
from watcher.postgres.fair_queue import ASKER, EVERYBODY

ROW = {"banned": False, "muted": False, "deleted": False, "browsing_level": 1, "show_nsfw": False, "score": None}


async def asked(found: Users, *user_ids: int) -> list[Any]:
    """Each one's answer or problem code."""

    async def one(user_id: int) -> User | str:
        try:
            return await found.user(user_id)
        except ProblemError as problem:
            return problem.code

    return await asyncio.wait_for(asyncio.gather(*map(one, user_ids)), 30)


@pytest.mark.parametrize(
    ("error", "code"), [(TemporaryError("away"), "postgres_away"), (RuntimeError("a fault of ours"), "internal")]
)
async def test_an_error_reaches_everybody(error: Exception, code: str) -> None:
    """Nobody waits for ever, not even when it is an error that nobody thought of."""

    async def fetch(_: Sequence[int]) -> list[dict[str, Any]]:
        raise error

    assert await asked(Users(fetch), 1, 2) == [code, code]


async def test_one_bad_row() -> None:
    """A row that is not understood is told to that user; the others of the same question are answered."""

    async def fetch(_: Sequence[int]) -> list[dict[str, Any]]:
        return [{**ROW, "id": 1}, {**ROW, "id": 2, "browsing_level": "all"}]

    good, bad, unknown = await asked(Users(fetch), 1, 2, 3)

    assert isinstance(good, User)
    assert (bad, unknown) == ("internal", "user_unknown")


async def test_asking_again_makes_nobody_else_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full memory forgets for somebody new only, and then whoever was asked for longest ago."""
    monkeypatch.setattr(users, "MAX_REMEMBERED_USERS", 2)
    now = 0.0

    async def fetch(user_ids: Sequence[int]) -> list[dict[str, Any]]:
        return [{**ROW, "id": one} for one in user_ids]

    found = Users(fetch, lambda: now)
    await asked(found, 1)
    now = 9.0
    await asked(found, 2)
    now = 11.0
    await asked(found, 1)
    assert found.known(2) is not None
    await asked(found, 3)
    assert (found.known(1) is None, found.known(2) is None, found.known(3) is None) == (False, True, False)


async def test_users_who_are_asked_for_together_are_one_question() -> None:
    """Those of one turn of the loop, each once; who comes while it is asked waits for the same answer."""
    questions: list[list[int]] = []
    began, go = asyncio.Event(), asyncio.Event()

    async def fetch(user_ids: Sequence[int]) -> list[dict[str, Any]]:
        questions.append(list(user_ids))
        began.set()
        await go.wait()
        return [{**ROW, "id": one} for one in user_ids]

    found = Users(fetch)
    first = asyncio.create_task(asked(found, 1, 2, 1))
    await began.wait()
    late = asyncio.create_task(asked(found, 2, 3))
    first.cancel()
    await asyncio.sleep(0)
    go.set()

    assert all(isinstance(one, User) for one in await late)
    assert found.known(1) is not None  # whoever asked has gone, and the answer is remembered all the same
    assert [sorted(one) for one in questions] == [[1, 2], [3]]


async def test_a_failure_is_not_remembered() -> None:
    """The next one asks again."""
    away = True

    async def fetch(user_ids: Sequence[int]) -> list[dict[str, Any]]:
        if away:
            raise TemporaryError("away")
        return [{**ROW, "id": one} for one in user_ids]

    found = Users(fetch)
    assert await asked(found, 1) == ["postgres_away"]
    away = False

    assert isinstance((await asked(found, 1))[0], User)


async def test_thousands_who_come_one_after_the_other_are_few_questions() -> None:
    """While two are asked, whoever comes is gathered for the next: everybody's, and no user's."""
    questions: list[int] = []
    asked_by: set[int] = set()
    under_way = most = 0

    async def fetch(user_ids: Sequence[int]) -> list[dict[str, Any]]:
        nonlocal under_way, most
        questions.append(len(user_ids))
        asked_by.add(ASKER.get())
        under_way += 1
        most = max(most, under_way)
        for _ in range(200):
            await asyncio.sleep(0)
        under_way -= 1
        return [{**ROW, "id": one} for one in user_ids]

    found, asked_for = Users(fetch), []
    ASKER.set(7)
    for user_id in range(1, 5_001):
        asked_for.append(asyncio.create_task(found.user(user_id)))
        await asyncio.sleep(0)
    answers = await asyncio.wait_for(asyncio.gather(*asked_for), 10)

    assert len(answers) == sum(questions) == 5_000
    assert most == users.MAX_QUESTIONS
    assert len(questions) < 100
    assert asked_by == {EVERYBODY}
