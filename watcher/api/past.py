"""What ClickHouse knows: how a rating went, and what a judge did.

Asked in threads, few at a time, and remembered briefly, so that a slow answer there holds up nobody who votes.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from watcher.api.bodies import HistoryAnswer, HistoryPoint, JudgeAnswer, JudgedCrucible, encode, moment
from watcher.api.crucibles import Crucibles
from watcher.api.guard import Answer, Ask
from watcher.api.problem import ProblemError
from watcher.model.errors import TemporaryError
from watcher.model.judge_rank import influence, percentile

THREADS: Final = 4
"""Questions at a time. More would take ClickHouse's threads from the inserts."""
WAITING: Final = 64
"""Questions that may wait; above it one fails at once."""
FRESH: Final = 2.0
"""Seconds for which an answer stands."""
DISTRIBUTION_FRESH: Final = 30.0
"""Seconds for which the number of judges by votes stands: it reads every judge."""
REMEMBERED: Final = 2_000
LISTED: Final = 100
"""Crucibles that a judge is shown."""

Rows = Sequence[Sequence[Any]]
Query = Callable[[str, dict[str, Any]], Rows]
"""Name of a query and its parameters -> rows. Blocks; raises ``TemporaryError``."""


class Past:
    """Asks ClickHouse.

    Args:
        query: asks, from a thread.
        crucibles: what is known of them.
        clock: monotonic seconds.
    """

    def __init__(self, query: Query, crucibles: Crucibles, clock: Callable[[], float] = time.monotonic) -> None:
        self._query, self._crucibles, self._clock = query, crucibles, clock
        self._threads = ThreadPoolExecutor(THREADS, "past")
        self._known: dict[Hashable, tuple[float, Rows]] = {}
        self._asking: dict[Hashable, asyncio.Future[Rows]] = {}

    def close(self) -> None:
        """Give the threads back; what they ask is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def history(self, ask: Ask) -> Answer:
        """``GET /v1/crucibles/{id}/entries/{entryId}/history``."""
        crucible = await self._crucibles.find(ask.given["id"])
        entry_id = ask.given["entryId"]
        rows = await self._rows(
            "rating_history", {"crucible": crucible.id, "entry": entry_id, "points": ask.given["points"]}, FRESH
        )
        points = [HistoryPoint(moment(at * 1000), rating, votes) for at, rating, votes in rows]
        return Answer(encode(HistoryAnswer(entry_id, points, points[-1].votes if points else 0)))

    async def judge(self, ask: Ask) -> Answer:
        """``GET /v1/judges/me``."""
        judges = self._rows("judges_by_votes", {}, DISTRIBUTION_FRESH)
        mine = await self._rows("judge", {"user": ask.user_id}, FRESH)
        votes = sum(row[1] for row in mine)
        counts = [(int(number), int(count)) for number, count in await judges]
        crucibles = [
            JudgedCrucible(crucible_id, count, moment(first * 1000), moment(last * 1000))
            for crucible_id, count, first, last in mine[:LISTED]
        ]
        return Answer(encode(JudgeAnswer(votes, influence(votes), percentile(votes, counts), crucibles)))

    def _rows(self, name: str, parameters: dict[str, Any], fresh: float) -> "asyncio.Future[Rows]":
        """The rows of a query; the same question at the same time is asked once."""
        loop = asyncio.get_running_loop()
        key = (name, *parameters.values())
        found = self._known.get(key)
        if found is not None and found[0] > self._clock():
            known: asyncio.Future[Rows] = loop.create_future()
            known.set_result(found[1])
            return known
        asked = self._asking.get(key)
        if asked is None:
            if len(self._asking) >= WAITING:
                raise ProblemError("overloaded")
            asked = self._asking[key] = asyncio.ensure_future(self._ask(key, name, parameters, fresh))
            asked.add_done_callback(lambda done: self._answered(key, done))
        return asyncio.shield(asked)

    async def _ask(self, key: Hashable, name: str, parameters: dict[str, Any], fresh: float) -> Rows:
        try:
            rows = await asyncio.get_running_loop().run_in_executor(self._threads, self._query, name, parameters)
        except TemporaryError as error:
            raise ProblemError("clickhouse_away") from error
        while len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = self._clock() + fresh, rows
        return rows

    def _answered(self, key: Hashable, done: "asyncio.Future[Rows]") -> None:
        self._asking.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen: whoever asked may have gone
