"""Turns of one user's requests: a bounded number is under way at a time, so none of them has the process to itself."""

import asyncio
from collections import deque
from typing import Final

from watcher.api.http.problem import ProblemError

MAX_UNDER_WAY: Final = 16
"""Requests of a user that are answered at a time. More: they overshoot their limit by as many in each process. Fewer: a
page that loads many things waits for itself."""
MAX_WAITING: Final = 256
"""Requests of a user that wait for their turn."""


class Turns:
    """The requests of each user that are under way in this process, of one kind."""

    def __init__(self) -> None:
        self._under_way: dict[int, int] = {}
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    def is_taken(self, user_id: int) -> bool:
        """Take the turn of a request at once, if that can be, and return whether it was; it has to be given back."""
        under_way = self._under_way.get(user_id, 0)
        if under_way >= MAX_UNDER_WAY:
            return False
        self._under_way[user_id] = under_way + 1
        return True

    async def wait(self, user_id: int) -> None:
        """Wait until it is the turn of a request that could not take it at once.

        Raises:
            ProblemError: ``rate_limited``; too many of the user's requests wait already.
        """
        waiting = self._waiting.setdefault(user_id, deque())
        if len(waiting) >= MAX_WAITING:
            raise ProblemError("rate_limited", f"{MAX_UNDER_WAY + MAX_WAITING} requests at a time", 1)
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(user_id)
            raise

    def give_back(self, user_id: int) -> None:
        """Give a turn back, to the user's request that has waited longest."""
        waiting = self._waiting.get(user_id)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        if waiting is not None:
            del self._waiting[user_id]
        under_way = self._under_way[user_id] - 1
        if under_way:
            self._under_way[user_id] = under_way
        else:
            del self._under_way[user_id]
