"""Whoever asks for a user gets an answer, whatever the site's database says."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.identity import users as people
from watcher.api.identity.users import People, Person
from watcher.model.errors import TemporaryError

ROW = {"banned": False, "muted": False, "deleted": False, "browsing_level": 1, "show_nsfw": False, "score": None}


async def asked(found: People, *user_ids: int) -> list[Any]:
    """Each one's answer or problem code, within a second."""

    async def one(user_id: int) -> Person | str:
        try:
            return await found.person(user_id)
        except ProblemError as problem:
            return problem.code

    return await asyncio.wait_for(asyncio.gather(*map(one, user_ids)), 1)


@pytest.mark.parametrize(
    ("error", "code"), [(TemporaryError("away"), "postgres_away"), (RuntimeError("a fault of ours"), "internal")]
)
async def test_an_error_reaches_everybody(error: Exception, code: str) -> None:
    """Nobody waits for ever, not even when it is an error that nobody thought of."""

    async def fetch(_: Sequence[int]) -> list[dict[str, Any]]:
        raise error

    assert await asked(People(fetch), 1, 2) == [code, code]


async def test_one_bad_row() -> None:
    """A row that is not understood is told to that user; the others of the same question are answered."""

    async def fetch(_: Sequence[int]) -> list[dict[str, Any]]:
        return [{**ROW, "id": 1}, {**ROW, "id": 2, "browsing_level": "all"}]

    good, bad, unknown = await asked(People(fetch), 1, 2, 3)

    assert isinstance(good, Person)
    assert (bad, unknown) == ("internal", "user_unknown")


async def test_asking_again_makes_nobody_else_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full memory forgets for somebody new only, and then whoever was asked for longest ago."""
    monkeypatch.setattr(people, "REMEMBERED", 2)
    now = 0.0

    async def fetch(user_ids: Sequence[int]) -> list[dict[str, Any]]:
        return [{**ROW, "id": one} for one in user_ids]

    found = People(fetch, lambda: now)
    await asked(found, 1)
    now = 9.0
    await asked(found, 2)
    now = 11.0
    await asked(found, 1)
    assert found.known(2) is not None
    await asked(found, 3)
    assert (found.known(1) is None, found.known(2) is None, found.known(3) is None) == (False, True, False)
