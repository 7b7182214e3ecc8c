"""What is remembered for a while, of a bounded number of things."""

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(dict[K, V]):
    """A dictionary that forgets what was put in longest ago once there are too many keys.

    Whatever is put in stands for the same time, so that is also what is stale first.

    Args:
        most: keys.

    >>> seen = Remembered(2)
    >>> seen.put("a", 1), seen.put("b", 2), seen.put("a", 3), seen.put("c", 4)
    (None, None, None, None)
    >>> seen
    {'a': 3, 'c': 4}
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: K, value: V) -> None:
        """Remember; a key that is there already makes nothing else forgotten."""
        if key in self:
            del self[key]
        elif len(self) >= self._most:
            del self[next(iter(self))]
        self[key] = value
