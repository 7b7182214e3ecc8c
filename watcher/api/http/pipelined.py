"""Requests that came behind another one on their connection: begun a few at a time, so that nobody waits for them."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

MAX_IN_A_TURN: Final = 4
"""Requests of this kind that are begun in one turn of the event loop, of all connections together. More: whoever asks
one thing at a time waits longer for those who send many at once. Fewer: those wait."""


class Pipelined:
    """The requests that are begun later, in the order in which they could have been."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def begin_later(self, begin: Callable[[], None]) -> None:
        """Begin a request in one of the next turns of the event loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._begin)
        self._waiting.append(begin)

    def _begin(self) -> None:
        for _ in range(min(MAX_IN_A_TURN, len(self._waiting))):
            self._waiting.popleft()()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._begin)
