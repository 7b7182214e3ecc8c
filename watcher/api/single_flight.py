"""Questions that many have at the same time, asked once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

from watcher.postgres.pool import PoolBusyError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Has one task at a time for each key, however many wait for it.

    Whoever stops waiting takes it from nobody: the task goes on, and remembers at its end what it remembers. What it
    fails with is told to all who wait; nothing is kept here, so the next one asks again. A user's share of the database
    is that user's alone: where it is spent, whoever else waited for the same asks anew.
    """

    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        """Return how many keys are asked for right now."""
        return len(self._under_way)

    def __contains__(self, key: K) -> bool:
        """Return whether a key is asked for right now."""
        return key in self._under_way

    def join(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> "asyncio.Task[V]":
        """Return the task of a key, begun now if there is none; to be awaited behind ``asyncio.shield``.

        Args:
            key: the question.
            ask: asks it.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.get_running_loop().create_task(ask())
            task.add_done_callback(partial(self._done, key))
        return task

    async def get(self, key: K, ask: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return what the task of a key comes to.

        Args:
            key: the question.
            ask: asks it, if nobody does.

        Raises:
            Exception: what it fails with.
        """
        while True:
            is_mine = key not in self._under_way
            try:
                return await asyncio.shield(self.join(key, ask))
            except Exception as error:
                if is_mine or not isinstance(error.__cause__ or error, PoolBusyError):
                    raise

    def _done(self, key: K, task: "asyncio.Task[V]") -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen: whoever asked may have gone
