"""Votes learn together, and at most a second late, whether what they are about may be shown."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.voting.entry_sight import ASK_AGAIN_SECONDS, FRESH_SECONDS, EntrySight
from watcher.model.errors import TemporaryError
from watcher.model.visibility import Moderation

if TYPE_CHECKING:
    from watcher.postgres.site.images import SiteImages

SHOWN = Moderation(nsfw_level=1, tos_violation=False, needs_review=None, ingestion="Scanned", blocked_for=None)
HIDDEN = Moderation(nsfw_level=1, tos_violation=False, needs_review="minor", ingestion="Scanned", blocked_for=None)


class Images:
    """A site that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.held = {1: SHOWN, 2: SHOWN, 3: HIDDEN}
        self.away = False
        self.under_way = self.most_at_once = 0

    async def of_entries(self, ids: Sequence[int]) -> dict[int, Moderation]:
        self.asked.append(list(ids))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if self.away:
            raise TemporaryError("away")
        return {one: self.held[one] for one in ids if one in self.held}


@pytest.fixture
def images() -> Images:
    """The site."""
    return Images()


@pytest.fixture
def now() -> list[float]:
    """The clock, which stands until it is moved."""
    return [100.0]


@pytest.fixture
def sight(images: Images, now: list[float]) -> EntrySight:
    """What is tested."""
    return EntrySight(cast("SiteImages", cast("Any", images)), lambda: now[0])


def test_what_is_hidden_or_of_another_level_is_not_seen(sight: EntrySight) -> None:
    """Each of the two has to be seen; of what the site does not have, nothing is said."""

    async def ask() -> list[bool]:
        return [
            await sight.are_visible(entries, levels)
            for entries, levels in (((1, 2), 31), ((1, 3), 31), ((1, 2), 2), ((1, 9), 31))
        ]

    assert asyncio.run(ask()) == [True, False, False, True]


def test_many_votes_are_one_question_at_a_time(sight: EntrySight, images: Images) -> None:
    """All that are asked in one turn go together; those that come meanwhile go together after it."""

    async def ask() -> None:
        first = [asyncio.create_task(sight.are_visible((1, 2), 31)) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.gather(*first, *(sight.are_visible((2, other), 31) for other in range(10, 60)))

    asyncio.run(ask())

    assert len(images.asked) <= 2
    assert images.most_at_once == 1


def test_an_answer_stands_for_a_second_and_is_renewed_before(
    sight: EntrySight, images: Images, now: list[float]
) -> None:
    """Whoever votes on waits for nothing, and learns of a change within the second."""

    async def ask() -> list[bool]:
        said = [await sight.are_visible((1, 2), 31)]
        images.held[2] = HIDDEN
        now[0] += ASK_AGAIN_SECONDS + 0.1
        said.append(await sight.are_visible((1, 2), 31))  # from memory; the question is on its way
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})  # the question that is on its way
        said.append(await sight.are_visible((1, 2), 31))
        images.held[2] = SHOWN
        now[0] += FRESH_SECONDS + 0.1
        said.append(await sight.are_visible((1, 2), 31))  # asked for, and waited for
        return said

    assert asyncio.run(ask()) == [True, True, False, True]
    assert len(images.asked) == 3


def test_a_question_that_nobody_waits_for_gathers_until_somebody_does(
    sight: EntrySight, images: Images, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Votes on many entries are few questions, and none of them makes a vote wait longer."""
    monkeypatch.setattr("watcher.api.voting.entry_sight.GATHER_SECONDS", 60.0)

    async def ask() -> None:
        for pair in ((1, 2), (3, 4)):
            await sight.are_visible(pair, 31)
        now[0] += ASK_AGAIN_SECONDS + 0.1
        for pair in ((1, 2), (3, 4)):
            await sight.are_visible(pair, 31)
            await asyncio.sleep(0)
        assert len(images.asked) == 2
        async with asyncio.timeout(30):
            await sight.are_visible((5, 6), 31)

    asyncio.run(ask())

    assert images.asked == [[1, 2], [3, 4], [1, 2, 3, 4, 5, 6]]


def test_no_more_entries_are_remembered_than_there_is_room_for(
    sight: EntrySight, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for longest ago is forgotten, and asked for again."""
    monkeypatch.setattr("watcher.api.voting.entry_sight.MAX_REMEMBERED_ENTRIES", 2)

    async def ask() -> list[bool]:
        return [await sight.are_visible(pair, 31) for pair in ((1, 3), (1, 2), (1, 2), (3, 2))]

    assert asyncio.run(ask()) == [False, True, True, False]
    assert images.asked == [[1, 3], [1, 2], [2, 3]]


def test_nothing_is_known_without_the_site(sight: EntrySight, images: Images) -> None:
    """Then nobody is let through, and the next one asks again."""
    images.away = True

    with pytest.raises(ProblemError) as error:
        asyncio.run(sight.are_visible((1, 2), 31))
    images.away = False

    assert error.value.code == "postgres_away"
    assert asyncio.run(sight.are_visible((1, 2), 31))
