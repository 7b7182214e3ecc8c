"""What comes in bursts is begun a few at a time, so that whoever asks one thing after another does not wait for it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

PIPELINED_IN_A_TURN: Final = 4
"""Requests that came behind another one on their connection, of all connections together, that are begun in one turn of
the event loop. More: others wait longer for those who send many at once. Fewer: those wait."""
FIRST_IN_A_TURN: Final = 8
"""First requests of connections, likewise: connections may come by the thousand at once."""
GOODBYES_IN_A_TURN: Final = 16
"""Requests under way that hear in one turn that their client went: clients may go by the thousand at once."""


class Later:
    """Things to do in one of the next turns of the event loop, in the order in which they came.

    Args:
        in_a_turn: of them at most.
    """

    def __init__(self, in_a_turn: int) -> None:
        self._in_a_turn = in_a_turn
        self._waiting: deque[Callable[[], object]] = deque()

    def do(self, what: Callable[[], object]) -> None:
        """Do something in one of the next turns."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.append(what)

    def _turn(self) -> None:
        for _ in range(min(self._in_a_turn, len(self._waiting))):
            self._waiting.popleft()()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)


class Bursts:
    """What a server does later, one for all of its connections."""

    def __init__(self) -> None:
        self.pipelined = Later(PIPELINED_IN_A_TURN)
        self.first = Later(FIRST_IN_A_TURN)
        self.goodbyes = Later(GOODBYES_IN_A_TURN)
