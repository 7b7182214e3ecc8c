"""Who may ask PostgreSQL next: each user in turn, however many questions one of them has."""

import asyncio
from collections import Counter, deque
from contextvars import ContextVar
from typing import Final

EVERYBODY: Final = 0
"""Stands in place of a user: what is asked for many at once, which goes first and may have all places."""
ASKER: Final[ContextVar[int]] = ContextVar("asker", default=EVERYBODY)
"""The user whose request asks. What goes on after the request, or for others as well, has to be set to everybody's."""


class QueueFullError(Exception):
    """Raised when a user has a fair share of the queue already, and it is full."""


class FairQueue:
    """A queue for places, of which there are fewer than users who want one.

    A user has at most half of the places, and waits behind one question of each other user at most. Where the queue is
    full, whoever has most in it gives way to one who has less.

    Args:
        places: questions at a time.
        most_waiting: questions of users that may wait, and as many of everybody's.
    """

    def __init__(self, places: int, most_waiting: int) -> None:
        self._free, self._most_waiting = places, most_waiting
        self._share = max(1, places // 2)
        self._asking: Counter[int] = Counter()
        self._queues: dict[int, deque[asyncio.Future[None]]] = {}
        """By user, the one whose turn is next first."""
        self.waiting = 0
        """Questions of users that wait."""

    async def enter(self, asker: int) -> None:
        """Wait until a place is the asker's, to be given back by :meth:`leave`.

        Raises:
            QueueFullError: too many wait.
        """
        if self._free and self._has_share_left(asker) and asker not in self._queues:
            self._hold(asker)
            return
        self._make_room(asker)
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(asker, deque()).append(turn)
        self.waiting += asker != EVERYBODY
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(asker)
            else:
                self._forget(asker, turn)
            raise

    def leave(self, asker: int) -> None:
        """Give a place back, for the next in turn."""
        self._free += 1
        self._asking[asker] -= 1
        if not self._asking[asker]:
            del self._asking[asker]
        self._let_in()

    def _has_share_left(self, asker: int) -> bool:
        return asker == EVERYBODY or self._asking[asker] < self._share

    def _hold(self, asker: int) -> None:
        self._free -= 1
        self._asking[asker] += 1

    def _let_in(self) -> None:
        while self._free:
            asker = self._next()
            if asker is None:
                return
            queue = self._queues.pop(asker)
            turn = queue.popleft()
            self.waiting -= asker != EVERYBODY
            if queue:
                self._queues[asker] = queue  # behind all others
            if not turn.done():  # else whoever asked is leaving
                self._hold(asker)
                turn.set_result(None)

    def _next(self) -> int | None:
        if EVERYBODY in self._queues:
            return EVERYBODY
        return next((asker for asker in self._queues if self._has_share_left(asker)), None)

    def _make_room(self, asker: int) -> None:
        """Have whoever has most in the queue give way, if it is full.

        Raises:
            QueueFullError: nobody has more than the asker would have.
        """
        own = len(self._queues.get(asker, ()))
        if (own if asker == EVERYBODY else self.waiting) < self._most_waiting:
            return
        if asker == EVERYBODY:
            raise QueueFullError
        longest = max((one for one in self._queues if one != EVERYBODY), key=lambda one: len(self._queues[one]))
        if len(self._queues[longest]) <= own + 1:
            raise QueueFullError
        last = self._queues[longest][-1]
        self._forget(longest, last)
        if not last.done():
            last.set_exception(QueueFullError())

    def _forget(self, asker: int, turn: "asyncio.Future[None]") -> None:
        queue = self._queues.get(asker)
        if queue is None or turn not in queue:
            return
        queue.remove(turn)
        self.waiting -= asker != EVERYBODY
        if not queue:
            del self._queues[asker]
