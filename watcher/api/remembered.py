"""What is remembered for some seconds each, of a bounded number of things, where each vote looks it up."""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values that each stand for a while. Once there are too many, the one that was put in longest ago is forgotten.

    Three of these are read for each vote, so a hit is one look at a dictionary and one at the clock. cachetools'
    TTLCache keeps its keys in order of use at each hit, which takes several times as long; it is taken where nothing
    hangs on that.

    Args:
        most: keys.
        clock: seconds.

    >>> now = 0.0
    >>> seen = Remembered(2, lambda: now)
    >>> seen.put("a", 1, 60.0), seen.put("b", 2, 60.0), seen.put("a", 3, 60.0), seen.put("c", 4, 60.0)
    (None, None, None, None)
    >>> seen.get("a"), seen.get("b"), seen.get("c")
    (3, None, 4)
    >>> now = 60.0
    >>> seen.get("a")
    """

    __slots__ = ("_clock", "_entries", "_most")

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """Return what stands for a key; None if nothing does, or no more."""
        found = self._entries.get(key)
        return found[1] if found is not None and found[0] > self._clock() else None

    def put(self, key: K, value: V, seconds: float) -> None:
        """Let a value stand for so many seconds from now; for a key that is there already nothing else is forgotten."""
        entries = self._entries
        if key in entries:
            del entries[key]
        elif len(entries) >= self._most:
            del entries[next(iter(entries))]
        entries[key] = self._clock() + seconds, value

    def forget(self, key: K) -> None:
        """Let what stands for a key stand no more."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Let nothing stand any more."""
        self._entries.clear()
