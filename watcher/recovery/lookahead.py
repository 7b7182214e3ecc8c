"""Questions asked ahead of their use, so that a neighbour works while we do."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

S = TypeVar("S")
T = TypeVar("T")

MAX_WAITING: Final = 2
"""Answers that may wait. More: more memory; fewer: one of the two sides waits for the other."""


def ahead(ask: Callable[[S], T], things: Sequence[S]) -> Iterator[T]:
    """Return the answer for each thing, in order, while the next one is asked for in another thread.

    Raises:
        Exception: whatever asking raises, when its answer is taken.

    >>> list(ahead(lambda number: number * number, [1, 2, 3]))
    [1, 4, 9]
    """
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = [thread.submit(ask, one) for one in things[:MAX_WAITING]]
        for at in range(len(things)):
            answer = coming.pop(0).result()
            if at + MAX_WAITING < len(things):
                coming.append(thread.submit(ask, things[at + MAX_WAITING]))
            yield answer
