"""Questions about the past: remembered within bounds, and one of a user at a time."""

import asyncio
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from watcher.api.http.problem import ProblemError
from watcher.api.resources.history import history
from watcher.api.resources.judge import judge
from watcher.api.voting import history as past
from watcher.api.voting.disclosure import EVERYTHING
from watcher.api.voting.disclosure import Disclosed as ToldOfStandings
from watcher.api.voting.history import MAX_IN_TURN, MAX_POINTS, MAX_REMEMBERED_ROWS, HistoryReader


class Told:
    """ClickHouse, a crucible, its entries, a clock: as simple as they can be."""

    def __init__(self, rows: int = MAX_POINTS) -> None:
        self.rows, self.now = rows, 0.0
        self.asked: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.go = threading.Event()
        self.go.set()
        self.began = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.past = HistoryReader(self.query, lambda: self.now)
        self.services: Any = SimpleNamespace(history=self.past, crucibles=self, entries=self, disclosure=self)

    def query(self, _: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        with self._lock:
            self.asked.append(parameters)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.began.release()
        assert self.go.wait(20)
        with self._lock:
            self.at_once -= 1
        return [(1_760_000_000 + n, 1500 + n, n + 1) for n in range(self.rows)]

    async def find(self, crucible: Any, entry_id: int = 0) -> Any:
        if entry_id == 404:
            raise ProblemError("unknown_entry")
        return self

    async def to(self, *_: Any) -> ToldOfStandings:
        return EVERYTHING

    id = 7

    async def judge(self, user: int) -> bytes:
        return (await judge(self.services, cast("Any", SimpleNamespace(user_id=user)))).body

    async def history(self, entry: int, *, user: int = 1, points: int = 200) -> bytes:
        request = SimpleNamespace(params={"id": 7, "entryId": entry, "points": points}, user_id=user)
        return (await history(self.services, cast("Any", request))).body


def test_any_number_of_points_is_one_question() -> None:
    """What is remembered is of the entry, however many points somebody wants; the last vote is always among them."""
    told = Told()

    async def ask() -> list[int]:
        return [(await told.history(1, points=points)).count(b'"rating"') for points in (2, 200, 999, 1_000)]

    assert asyncio.run(ask()) == [2, 200, 999, 1_000]
    assert told.asked == [{"crucible": 7, "entry": 1, "points": MAX_POINTS}]


def test_what_is_remembered_is_bounded_by_rows() -> None:
    """The oldest answers go first; stale ones go with the next answer."""
    told = Told()

    async def ask() -> tuple[int, int]:
        for entry in range(1, 2 * MAX_REMEMBERED_ROWS // MAX_POINTS):
            if entry != 404:
                await told.history(entry)
        full = sum(map(len, told.past._remembered.values()))
        told.now = 10.0
        await told.history(1)
        return full, len(told.past._remembered)

    full, after = asyncio.run(ask())

    assert MAX_REMEMBERED_ROWS - 2 * MAX_POINTS <= full <= MAX_REMEMBERED_ROWS
    assert after == 1


def test_a_user_has_one_question_under_way() -> None:
    """More of them wait, too many are refused; another user's is asked meanwhile; whoever left has not made room."""
    told = Told(rows=3)
    told.go.clear()

    async def ask() -> list[Any]:
        gone = asyncio.ensure_future(told.history(1))
        await asyncio.to_thread(told.began.acquire)
        gone.cancel()
        await asyncio.sleep(0)
        mine = [asyncio.ensure_future(told.history(entry)) for entry in range(2, MAX_IN_TURN + 3)]
        other = asyncio.ensure_future(told.history(99, user=2))
        await asyncio.to_thread(told.began.acquire)
        told.go.set()
        await other
        return await asyncio.gather(*mine, return_exceptions=True)

    answers = asyncio.run(ask())

    assert [one["entry"] for one in told.asked] == [1, 99, *range(2, MAX_IN_TURN + 2)]
    assert [type(one) for one in answers] == [bytes] * MAX_IN_TURN + [ProblemError]
    assert told.most_at_once == 2


def test_an_entry_that_is_not_there_has_no_history() -> None:
    """It is refused before ClickHouse is asked."""
    told = Told()

    with pytest.raises(ProblemError) as refused:
        asyncio.run(told.history(404))

    assert (refused.value.code, told.asked) == ("unknown_entry", [])


def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither whose question is asked, nor who comes after it, nor a judge; each is told, and the answer is kept."""
    monkeypatch.setattr(past, "PATIENCE_SECONDS", 0.05)
    told = Told(rows=3)
    told.go.clear()

    async def ask() -> tuple[list[Any], bytes]:
        waiting = [told.history(1), told.history(2), told.judge(2)]
        gone = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)
        told.go.set()
        await asyncio.gather(*told.past._asking._under_way.values())
        monkeypatch.setattr(past, "PATIENCE_SECONDS", 10.0)
        return gone, await told.history(1)

    gone, after = asyncio.run(ask())

    assert [(type(one), str(one)) for one in gone] == [(ProblemError, "clickhouse_away")] * 3
    assert after.count(b'"rating"') == 3
    assert told.asked.count({"crucible": 7, "entry": 1, "points": MAX_POINTS}) == 1
