"""A set of ids from which one can be drawn at random in constant time."""

from collections.abc import Iterable, Iterator
from random import Random


class Bag:
    """Ids in a fixed order, so that equal seeds draw equal ids (a ``set`` would not promise that).

    >>> bag = Bag([3, 5, 8])
    >>> bag.discard(5); bag.discard(5)
    >>> sorted(bag)
    [3, 8]
    """

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._ids: list[int] = []
        self._place: dict[int, int] = {}
        for one in ids:
            self.add(one)

    def add(self, one: int) -> None:
        """Put an id in; once is enough."""
        if one not in self._place:
            self._place[one] = len(self._ids)
            self._ids.append(one)

    def discard(self, one: int) -> None:
        """Take an id out, if it is there; the last one takes its place."""
        place = self._place.pop(one, None)
        if place is None:
            return
        last = self._ids.pop()
        if last != one:
            self._ids[place] = last
            self._place[last] = place

    def draw(self, rng: Random) -> int | None:
        """Return any id, or None of an empty bag. It stays in."""
        return rng.choice(self._ids) if self._ids else None

    def __contains__(self, one: int) -> bool:
        return one in self._place

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)
