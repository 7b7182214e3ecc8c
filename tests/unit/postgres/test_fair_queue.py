"""Who may ask PostgreSQL next."""

import asyncio
import random

from watcher.postgres.fair_queue import EVERYBODY, FairQueue, QueueFullError

SIZE, MOST = 8, 200


class Crowd:
    """Users who ask, and in which order they were let in."""

    def __init__(self) -> None:
        self.queue = FairQueue(SIZE, MOST)
        self.let_in: list[int] = []
        self.refused: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def _ask(self, asker: int) -> None:
        try:
            await self.queue.enter(asker)
            self.let_in.append(asker)
        except QueueFullError:
            self.refused.append(asker)

    async def come(self, asker: int, questions: int = 1) -> None:
        self.tasks += [asyncio.create_task(self._ask(asker)) for _ in range(questions)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def go(self, asker: int) -> None:
        self.queue.leave(asker)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_one_user_has_half_of_the_places_and_gives_way() -> None:
    """600 questions of one: others are let in at once, nobody else is refused, and turns alternate afterwards."""
    crowd = Crowd()
    await crowd.come(1, 600)
    assert (crowd.let_in, len(crowd.refused)) == ([1] * (SIZE // 2), 600 - SIZE // 2 - MOST)
    for other in (2, 3, 4, 5):
        await crowd.come(other)
    assert crowd.let_in[SIZE // 2 :] == [2, 3, 4, 5]
    await crowd.come(6)
    await crowd.come(7)
    await crowd.come(EVERYBODY)

    assert set(crowd.refused) == {1}
    assert crowd.queue.waiting == MOST
    for goes in (1, 2, 3, 4, 5):
        await crowd.go(goes)
    assert crowd.let_in[SIZE:] == [EVERYBODY, 1, 6, 7]  # the one has half of the places again
    for task in crowd.tasks:
        task.cancel()


async def test_who_has_most_is_refused_where_all_have_some() -> None:
    """A full queue of many users takes one more only in place of somebody who has more than that one."""
    crowd = Crowd()
    for user in range(1, 101):
        await crowd.come(user, 3)
    assert len(crowd.refused) == 300 - SIZE - MOST
    await crowd.come(1_000, 1)
    assert 1_000 not in crowd.refused
    await crowd.come(1_000, 3)

    assert crowd.refused.count(1_000) >= 1
    assert crowd.queue.waiting == MOST
    for task in crowd.tasks:
        task.cancel()


async def test_no_place_is_lost() -> None:
    """Whoever leaves while waiting, or just as it is let in, or is refused, leaves all places as they were."""
    chance = random.Random(7)
    queue = FairQueue(SIZE, 20)

    async def ask(asker: int) -> None:
        await queue.enter(asker)
        try:
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)
        finally:
            queue.leave(asker)

    tasks = []
    for _ in range(5_000):
        tasks.append(asyncio.create_task(ask(chance.randrange(6))))
        if chance.random() < 0.3:
            chance.choice(tasks[-30:]).cancel()
        if chance.random() < 0.9:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)

    assert queue.waiting == 0
    async with asyncio.timeout(5):
        for _ in range(SIZE):
            await queue.enter(EVERYBODY)
    one_more = asyncio.create_task(queue.enter(EVERYBODY))
    await asyncio.sleep(0)
    assert not one_more.done()
    one_more.cancel()
