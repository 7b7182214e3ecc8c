"""What ClickHouse knows: how a rating went, and what a judge did.

Asked in threads, few at a time, and remembered briefly, so that a slow answer there holds up nobody who votes.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from watcher.api.http.guard import Answer, Ask
from watcher.api.http.problem import ProblemError
from watcher.api.resources.bodies import HistoryAnswer, HistoryPoint, JudgeAnswer, JudgedCrucible, encode, moment
from watcher.api.resources.crucibles import Crucible, Crucibles
from watcher.model.errors import TemporaryError
from watcher.model.judge_rank import influence, percentile

THREADS: Final = 4
"""Questions at a time. More would take ClickHouse's threads from the inserts."""
WAITING: Final = 64
"""Questions that may wait; above it one fails at once."""
PATIENCE: Final = 5.0
"""Seconds that somebody waits, for those before them too. What they asked for is still remembered when it comes."""
FRESH: Final = 2.0
"""Seconds for which an answer stands."""
DISTRIBUTION_FRESH: Final = 30.0
"""Seconds for which the number of judges by votes stands: it reads every judge."""
REMEMBERED: Final = 100_000
"""Rows of all answers that are remembered: some 20 MB."""
POINTS: Final = 1_000
"""Points of a history that are asked for, whatever the asker wants of them: one answer serves all."""
IN_TURN: Final = 8
"""Questions of one user that may wait for each other; they are asked one after the other."""
LISTED: Final = 100
"""Crucibles that a judge is shown."""

Rows = Sequence[Sequence[Any]]
Query = Callable[[str, dict[str, Any]], Rows]
"""Name of a query and its parameters -> rows. Blocks; raises ``TemporaryError``."""


class Entrants(Protocol):
    """Who takes part."""

    async def find(self, crucible: Crucible, entry_id: int, /) -> object:
        """An entry. Raises ``ProblemError``: there is none, or nobody can tell."""
        ...


class Past:
    """Asks ClickHouse.

    Args:
        query: asks, from a thread.
        crucibles: what is known of them.
        entrants: what is known of their entries.
        clock: monotonic seconds.
    """

    def __init__(
        self, query: Query, crucibles: Crucibles, entrants: Entrants, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._query, self._crucibles, self._entrants, self._clock = query, crucibles, entrants, clock
        self._threads = ThreadPoolExecutor(THREADS, "past")
        self._known: dict[Hashable, tuple[float, Rows]] = {}
        self._held = 0
        self._asking: dict[Hashable, asyncio.Future[Rows]] = {}
        self._under_way: dict[int, asyncio.Future[Rows]] = {}
        self._in_turn: Counter[int] = Counter()

    def close(self) -> None:
        """Give the threads back; what they ask is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def history(self, ask: Ask) -> Answer:
        """``GET /v1/crucibles/{id}/entries/{entryId}/history``."""
        crucible = await self._crucibles.find(ask.given["id"])
        entry_id = ask.given["entryId"]
        await self._entrants.find(crucible, entry_id)
        given = {"crucible": crucible.id, "entry": entry_id, "points": POINTS}
        async with _patience():
            told = await self._in_turn_of(ask.user_id, "rating_history", given)
        rows = thinned(told, ask.given["points"])
        points = [HistoryPoint(moment(at * 1000), rating, votes) for at, rating, votes in rows]
        return Answer(encode(HistoryAnswer(entry_id, points, points[-1].votes if points else 0)))

    async def judge(self, ask: Ask) -> Answer:
        """``GET /v1/judges/me``."""
        async with _patience():
            mine = await self._in_turn_of(ask.user_id, "judge", {"user": ask.user_id})
            judges = await asyncio.shield(self._rows("judges_by_votes", {}, DISTRIBUTION_FRESH))
        votes = sum(row[1] for row in mine)
        counts = [(int(number), int(count)) for number, count in judges]
        crucibles = [
            JudgedCrucible(crucible_id, count, moment(first * 1000), moment(last * 1000))
            for crucible_id, count, first, last in mine[:LISTED]
        ]
        return Answer(encode(JudgeAnswer(votes, influence(votes), percentile(votes, counts), crucibles)))

    async def _in_turn_of(self, user_id: int, name: str, parameters: dict[str, Any]) -> Rows:
        """The rows of a user's question, after those of the user's question before: whoever asks much waits longest."""
        if self._in_turn[user_id] >= IN_TURN:
            raise ProblemError("overloaded")
        self._in_turn[user_id] += 1
        try:
            while (before := self._under_way.get(user_id)) is not None and not before.done():
                await asyncio.wait([before])
            asked = self._under_way[user_id] = self._rows(name, parameters, FRESH)
            asked.add_done_callback(lambda done: self._over(user_id, done))
            return await asyncio.shield(asked)
        finally:
            self._in_turn[user_id] -= 1
            if not self._in_turn[user_id]:
                del self._in_turn[user_id]

    def _over(self, user_id: int, done: "asyncio.Future[Rows]") -> None:
        if self._under_way.get(user_id) is done:
            del self._under_way[user_id]

    def _rows(self, name: str, parameters: dict[str, Any], fresh: float) -> "asyncio.Future[Rows]":
        """The rows of a query; the same question at the same time is asked once. Not to be cancelled by who waits."""
        key = (name, *parameters.values())
        found = self._known.get(key)
        if found is not None and found[0] > self._clock():
            known: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
            known.set_result(found[1])
            return known
        asked = self._asking.get(key)
        if asked is None:
            if len(self._asking) >= WAITING:
                raise ProblemError("overloaded")
            asked = self._asking[key] = asyncio.ensure_future(self._ask(key, name, parameters, fresh))
            asked.add_done_callback(lambda done: self._answered(key, done))
        return asked

    async def _ask(self, key: Hashable, name: str, parameters: dict[str, Any], fresh: float) -> Rows:
        try:
            rows = await asyncio.get_running_loop().run_in_executor(self._threads, self._query, name, parameters)
        except TemporaryError as error:
            raise ProblemError("clickhouse_away") from error
        self._remember(key, fresh, rows)
        return rows

    def _remember(self, key: Hashable, fresh: float, rows: Rows) -> None:
        now = self._clock()
        for stale in [one for one, (until, _) in self._known.items() if until <= now or one == key]:
            self._forget(stale)
        while self._known and self._held + len(rows) + 1 > REMEMBERED:
            self._forget(next(iter(self._known)))
        self._known[key] = now + fresh, rows
        self._held += len(rows) + 1  # one without rows takes room too

    def _forget(self, key: Hashable) -> None:
        self._held -= len(self._known.pop(key)[1]) + 1

    def _answered(self, key: Hashable, done: "asyncio.Future[Rows]") -> None:
        self._asking.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen: whoever asked may have gone


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Whoever waits is told in time: behind others, a silent ClickHouse would hold them for a multiple of its timeout.

    Raises:
        ProblemError: the time is over; what was asked goes on by itself.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError as error:
        raise ProblemError("clickhouse_away") from error


def thinned(rows: Rows, most: int) -> Rows:
    """So many rows at most, evenly; the last one is always among them.

    >>> thinned([(n,) for n in range(10)], 3)
    [(2,), (5,), (9,)]
    >>> thinned([(1,), (2,)], 3)
    [(1,), (2,)]
    """
    if len(rows) <= most:
        return rows
    return [rows[len(rows) * (at + 1) // most - 1] for at in range(most)]
