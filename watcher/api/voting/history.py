"""What the API asks of ClickHouse: how a rating went, and what a judge did.

Asked in threads, few at a time, and remembered briefly, so that a slow answer there holds up nobody who votes.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from cachetools import TLRUCache

from watcher.api.http.problem import ProblemError
from watcher.api.single_flight import SingleFlight
from watcher.model.errors import TemporaryError

THREADS: Final = 4
"""Questions at a time. More would take ClickHouse's threads from the inserts."""
MAX_WAITING: Final = 64
"""Questions that may wait; above it one fails at once."""
PATIENCE_SECONDS: Final = 5.0
"""Seconds that somebody waits, for those before them too. What they asked for is still remembered when it comes."""
FRESH_SECONDS: Final = 2.0
"""Seconds for which an answer stands."""
DISTRIBUTION_FRESH_SECONDS: Final = 30.0
"""Seconds for which the number of judges by votes stands: it reads every judge."""
MAX_REMEMBERED_ROWS: Final = 100_000
"""Rows of all answers that are remembered: some 20 MB."""
MAX_POINTS: Final = 1_000
"""Points of a history that are asked for, whatever the asker wants of them: one answer serves all."""
MAX_IN_TURN: Final = 8
"""Questions of one user that may wait for each other; they are asked one after the other."""

HistoryRows = Sequence[Sequence[Any]]
Query = Callable[[str, dict[str, Any]], HistoryRows]
"""Returns the rows of a query, by its name and parameters. Blocks; raises ``TemporaryError``."""
_Key = tuple[Hashable, ...]
"""A query's name and the values of its parameters."""

_DISTRIBUTION: Final = "judges_by_votes"


class HistoryReader:
    """Asks ClickHouse about the past.

    Args:
        query: asks, from a thread.
        clock: monotonic seconds.
    """

    def __init__(self, query: Query, clock: Callable[[], float] = time.monotonic) -> None:
        self._query = query
        self._threads = ThreadPoolExecutor(THREADS, "history")
        self._remembered: TLRUCache[_Key, HistoryRows] = TLRUCache(MAX_REMEMBERED_ROWS, _stands_until, clock, _size)
        self._asking: SingleFlight[_Key, HistoryRows] = SingleFlight()
        self._under_way: dict[int, asyncio.Task[HistoryRows]] = {}
        """By user: the question that is being asked."""
        self._in_turn: Counter[int] = Counter()
        """By user: questions that are asked or wait."""

    def close(self) -> None:
        """End the threads; what they ask is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ratings(self, user_id: int, crucible_id: int, entry_id: int) -> HistoryRows:
        """Return how an entry's rating went: rows of Unix seconds, rating and votes so far, the last vote last.

        Args:
            user_id: who asks.
            crucible_id: the entry's crucible.
            entry_id: the entry.

        Raises:
            ProblemError: ``clickhouse_away``, or ``overloaded``.
        """
        parameters = {"crucible": crucible_id, "entry": entry_id, "points": MAX_POINTS}
        async with _patience():
            return await self._in_turn_of(user_id, "rating_history", parameters)

    async def own_votes(self, user_id: int, crucible_id: int) -> tuple[int, int]:
        """Return how many votes a judge cast in a crucible, and of how many the chosen entry stands above the other.

        Raises:
            ProblemError: ``clickhouse_away``, or ``overloaded``.
        """
        async with _patience():
            rows = await self._in_turn_of(user_id, "own_votes", {"crucible": crucible_id, "user": user_id})
        votes, upheld = rows[0]
        return int(votes), int(upheld)

    async def judge(self, user_id: int) -> tuple[HistoryRows, HistoryRows]:
        """Return what a judge did, and how many judges have how many votes.

        The first has a row for each crucible, the one judged last first: its id, votes, and the Unix seconds of the
        first and the last. The second has rows of votes and judges.

        Raises:
            ProblemError: ``clickhouse_away``, or ``overloaded``.
        """
        async with _patience():
            judged = await self._in_turn_of(user_id, "judge", {"user": user_id})
            distribution = self._remembered.get((_DISTRIBUTION,))
            if distribution is None:
                distribution = await asyncio.shield(self._ask(_DISTRIBUTION, {}))
        return judged, distribution

    async def _in_turn_of(self, user_id: int, name: str, parameters: dict[str, Any]) -> HistoryRows:
        """Return the rows of a question, asked after the user's other ones: whoever asks much waits longest."""
        if self._in_turn[user_id] >= MAX_IN_TURN:
            raise ProblemError("overloaded")
        self._in_turn[user_id] += 1
        try:
            while (before := self._under_way.get(user_id)) is not None:
                await asyncio.wait([before])
            rows = self._remembered.get((name, *parameters.values()))
            if rows is None:
                asking = self._under_way[user_id] = self._ask(name, parameters)
                asking.add_done_callback(partial(self._over, user_id))
                rows = await asyncio.shield(asking)
            return rows
        finally:
            self._in_turn[user_id] -= 1
            if not self._in_turn[user_id]:
                del self._in_turn[user_id]

    def _over(self, user_id: int, done: "asyncio.Task[HistoryRows]") -> None:
        if self._under_way.get(user_id) is done:
            del self._under_way[user_id]

    def _ask(self, name: str, parameters: dict[str, Any]) -> "asyncio.Task[HistoryRows]":
        """Return the task that asks a question; not to be cancelled by whoever waits for it.

        Raises:
            ProblemError: ``overloaded``; too many questions are under way.
        """
        key = (name, *parameters.values())
        if key not in self._asking and len(self._asking) >= MAX_WAITING:
            raise ProblemError("overloaded")
        return self._asking.join(key, partial(self._rows, key, name, parameters))

    async def _rows(self, key: _Key, name: str, parameters: dict[str, Any]) -> HistoryRows:
        try:
            rows = await asyncio.get_running_loop().run_in_executor(self._threads, self._query, name, parameters)
        except TemporaryError as error:
            raise ProblemError("clickhouse_away") from error
        if _size(rows) <= MAX_REMEMBERED_ROWS:
            self._remembered[key] = rows
        return rows


def _stands_until(key: _Key, _: HistoryRows, now: float) -> float:
    """Return until when an answer stands, in seconds of the clock."""
    return now + (DISTRIBUTION_FRESH_SECONDS if key[0] == _DISTRIBUTION else FRESH_SECONDS)


def _size(rows: HistoryRows) -> int:
    """Return the rows that an answer counts for; one without rows takes room too."""
    return len(rows) + 1


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Tell whoever waits in time: behind others, a silent ClickHouse would hold them for a multiple of its timeout.

    Raises:
        ProblemError: ``clickhouse_away``; what was asked goes on by itself.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except TimeoutError as error:
        raise ProblemError("clickhouse_away") from error
