"""How many requests a user may send, when they come all at once and over several processes."""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from watcher.api.http import turns
from watcher.api.http.problem import ProblemError
from watcher.api.http.rate_limit import RateLimit
from watcher.api.http.turns import Turns
from watcher.api.voting.uncounted_votes import MIN_UNCOUNTED_PER_MINUTE, UNCOUNTED_PER_VOTE, UncountedVotes
from watcher.model.vote import Vote
from watcher.redis.wire import LinkLostError

if TYPE_CHECKING:
    from collections.abc import Callable

QUOTA = 120


class Counting:
    """What the processes share: a link whose script counts as ``limit.lua`` does, and answers when a test says so."""

    def __init__(self) -> None:
        self.full_us: dict[str, int] = {}
        self.is_away = False
        self._late: list[Callable[[], None]] = []

    def ask(self, command: list[Any]) -> "asyncio.Future[list[int]]":
        if self.is_away:
            raise LinkLostError
        number = int(command[2])
        names, (holds, each_us, *requests) = command[3 : 3 + number], map(int, command[3 + number :])
        answer: list[int] = []
        for name, count in zip(names, requests, strict=True):
            full = self.full_us[name] = min(self.full_us.get(name, 0) + count * each_us, 2 * holds * each_us)
            answer += [max(0, holds - full // each_us), 0, full // 1000]
        future: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._late.append(lambda: future.set_result(answer))
        return future

    async def say(self, but: int = 0) -> None:
        """Answer all, but for the last ones."""
        answered = len(self._late) - but
        late, self._late = self._late[:answered], self._late[answered:]
        for one in late:
            one()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def limit(counting: Counting) -> RateLimit:
    return RateLimit("votes", QUOTA, cast("Any", counting), lambda: 1_000.0)


async def test_what_is_under_way_counts() -> None:
    """Of 950 that come at once the quota is let pass; one that comes to nothing leaves room for another."""
    votes = limit(Counting())

    passed = sum(votes.begin(7) == 0 for _ in range(950))
    votes.end(7)

    assert passed == QUOTA
    assert votes.begin(7) == 0
    assert votes.begin(7) > 0
    assert votes.begin(8) == 0


async def test_what_is_charged_meanwhile_is_not_forgotten() -> None:
    """An answer that was under way tells of what had come before it; what came after it still counts."""
    counting = Counting()
    votes = limit(counting)
    passed = 0
    for _ in range(40):
        for _ in range(16):
            if votes.begin(7) == 0:
                passed += 1
                votes.end(7)
                votes.charge(7)
        await asyncio.sleep(0)
        await counting.say(but=2)

    assert passed == QUOTA


async def test_other_processes_are_heard_of() -> None:
    """One that knows nothing of a user learns it from its first answers; what it had under way is all it adds."""
    counting = Counting()
    passed = 0
    for _ in range(4):
        votes = limit(counting)
        for _ in range(40):
            begun = sum(votes.begin(7) == 0 for _ in range(turns.MAX_UNDER_WAY))
            passed += begun
            for _ in range(begun):
                votes.end(7)
                votes.charge(7)
            await asyncio.sleep(0)
            await counting.say()

    assert QUOTA <= passed <= QUOTA + 3 * turns.MAX_UNDER_WAY


async def test_without_redis_each_process_counts_for_itself() -> None:
    """Nobody gets more because the count cannot be kept."""
    counting = Counting()
    counting.is_away = True
    votes = limit(counting)
    passed = 0
    for _ in range(500):
        if votes.begin(7) == 0:
            passed += 1
            votes.end(7)
            votes.charge(7)
        await asyncio.sleep(0)

    assert passed == QUOTA


async def test_turns_of_one_user() -> None:
    """A few are under way, some wait and are let in as they came, the rest is told to come again; nobody else waits."""
    some, order = Turns(), list[int]()

    async def ask(number: int) -> None:
        if not some.is_taken(7):
            await some.wait(7)
        order.append(number)

    asked = [asyncio.create_task(ask(number)) for number in range(600)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(order) == turns.MAX_UNDER_WAY
    assert some.is_taken(8)
    asked[turns.MAX_UNDER_WAY].cancel()
    for _ in range(turns.MAX_UNDER_WAY + turns.MAX_WAITING):
        some.give_back(7)
        await asyncio.sleep(0)
        if len(order) == turns.MAX_UNDER_WAY + turns.MAX_WAITING - 1:
            break
    said = await asyncio.gather(*asked, return_exceptions=True)

    assert order == [one for one in range(turns.MAX_UNDER_WAY + turns.MAX_WAITING) if one != turns.MAX_UNDER_WAY]
    refused = [one for one in said if isinstance(one, ProblemError)]
    assert {one.code for one in refused} == {"rate_limited"}
    assert len(refused) == 600 - turns.MAX_UNDER_WAY - turns.MAX_WAITING


@pytest.mark.parametrize(("quota", "most"), [(QUOTA, UNCOUNTED_PER_VOTE * QUOTA), (5, MIN_UNCOUNTED_PER_MINUTE)])
async def test_what_counts_no_vote_is_bounded(quota: int, most: int) -> None:
    """Repeats and refusals are; the first repeat of each vote is not, whatever was sent before it."""
    now = 0.0
    uncounted = UncountedVotes(quota, lambda: now)
    cast = [Vote(1, 7, winner, winner + 1) for winner in range(1, quota + 1)]
    for one in cast:
        uncounted.counted(one)
    uncounted.repeated(cast[0])
    passed = 0
    while not uncounted.wait_seconds(7):
        uncounted.repeated(cast[0]) if passed % 2 else uncounted.refused(7)
        passed += 1

    assert passed == most
    assert not uncounted.is_unrepeated(cast[0])
    assert all(map(uncounted.is_unrepeated, cast[1:]))
    assert uncounted.wait_seconds(8) == 0
    now = 60.0
    assert uncounted.wait_seconds(7) == 0
