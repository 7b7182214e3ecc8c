"""Questions that many have at the same time."""

import asyncio

import pytest

from watcher.api.single_flight import SingleFlight
from watcher.postgres.pool import PoolBusyError


class Question:
    """Counts how often it is asked, and is answered when a test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.began = asyncio.Event()
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.asked += 1
        self.began.set()
        return await asyncio.shield(self.answer)


async def waiting(flight: SingleFlight[str, str], question: Question, number: int) -> list["asyncio.Task[str]"]:
    """So many who wait for one key."""
    tasks = [asyncio.create_task(flight.get("key", question)) for _ in range(number)]
    await question.began.wait()
    return tasks


async def test_who_asks_at_the_same_time_shares_the_answer() -> None:
    """It is asked once; whoever comes after the answer asks anew."""
    flight, question = SingleFlight[str, str](), Question()
    tasks = await waiting(flight, question, 3)
    assert (len(flight), "key" in flight) == (1, True)
    question.answer.set_result("told")

    assert await asyncio.gather(*tasks) == ["told"] * 3
    assert (question.asked, len(flight)) == (1, 0)
    await flight.get("key", question)
    assert question.asked == 2


async def test_other_keys_are_other_questions() -> None:
    """Neither waits for the other."""
    flight, one, other = SingleFlight[str, str](), Question(), Question()
    (slow,) = await waiting(flight, one, 1)
    other.answer.set_result("told")

    assert await flight.get("another", other) == "told"
    assert not slow.done()
    slow.cancel()


@pytest.mark.parametrize("gone", [0, 1, 2])
async def test_who_goes_takes_it_from_nobody(gone: int) -> None:
    """Also when it is who asked first, and although nobody else could tell that the others wait."""
    flight, question = SingleFlight[str, str](), Question()
    tasks = await waiting(flight, question, 3)
    tasks[gone].cancel()
    await asyncio.sleep(0)
    question.answer.set_result("told")

    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for at, one in enumerate(found) if at == gone] == [asyncio.CancelledError]
    assert [one for at, one in enumerate(found) if at != gone] == ["told", "told"]
    assert question.asked == 1


async def test_it_goes_on_when_everybody_has_gone() -> None:
    """What it comes to may be remembered; a failure that nobody hears of is no warning of the event loop either."""
    flight, question = SingleFlight[str, str](), Question()
    (task,) = await waiting(flight, question, 1)
    task.cancel()
    await asyncio.sleep(0)
    assert "key" in flight
    question.answer.set_exception(RuntimeError("heard by nobody"))
    await asyncio.wait([flight.join("key", question)])
    await asyncio.sleep(0)

    assert (question.asked, "key" in flight) == (1, False)


async def test_a_failure_is_told_to_all_and_kept_for_nobody() -> None:
    """The next one asks again."""
    flight, question = SingleFlight[str, str](), Question()
    tasks = await waiting(flight, question, 2)
    question.answer.set_exception(RuntimeError("away"))
    found = await asyncio.gather(*tasks, return_exceptions=True)
    question.answer = asyncio.get_running_loop().create_future()
    question.answer.set_result("told")

    assert [str(one) for one in found] == ["away", "away"]
    assert await flight.get("key", question) == "told"


async def test_a_share_that_is_spent_is_one_users_alone() -> None:
    """Whoever waits for a question that was refused for the sake of its asker asks anew, and is answered."""
    flight, question = SingleFlight[str, str](), Question()
    tasks = await waiting(flight, question, 3)
    refused, question.answer = question.answer, asyncio.get_running_loop().create_future()
    question.answer.set_result("told")
    refused.set_exception(PoolBusyError("postgres: 200 questions wait"))

    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(found[0]), *found[1:]] == [PoolBusyError, "told", "told"]
