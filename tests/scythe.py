"""Death of a process at a place where it is known to be dangerous, within the process of the test."""

from collections import Counter
from collections.abc import Callable
from types import ModuleType

import pytest


class Killed(BaseException):
    """Raised where a process dies: nothing of the program handles it."""


class Scythe:
    """Kills whoever passes a place to crash the n-th time.

    Args:
        patch: of the test.
        modules: those whose places count.
    """

    def __init__(self, patch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.killed = Counter[str]()
        """Places -> how often somebody died there."""
        self._place, self._left = "", 0
        for module in modules:
            patch.setattr(module, "reach", self._passed)

    def _passed(self, place: str) -> None:
        if self._place in ("", place):
            self._left -= 1
            if self._left == 0:
                self.killed[place] += 1
                raise Killed(place)

    def run(self, work: Callable[[], None], times: int, place: str = "") -> None:
        """Do some work, perhaps not to its end.

        Args:
            work: to do.
            times: the how manieth passing is the last; 0: nobody dies.
            place: the only one that counts; none: each does.
        """
        self._place, self._left = place, times
        try:
            work()
        except Killed:
            pass
        finally:
            self._left = 0
