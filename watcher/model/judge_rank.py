"""How active a judge is, alone and among all."""

from bisect import bisect_right
from collections.abc import Sequence
from math import sqrt


def influence(votes: int) -> int:
    """Return a judge's influence: ten times the square root of the votes, rounded; halves go up.

    >>> influence(0), influence(1), influence(50)
    (0, 10, 71)
    """
    return int(sqrt(votes) * 10 + 0.5)


def percentile(votes: int, judges: Sequence[tuple[int, int]]) -> int | None:
    """Return in which percent of all judges somebody is, 1 being the most active.

    Args:
        votes: of the judge.
        judges: ascending, a number of votes and how many judges have exactly that many.

    Returns:
        None for somebody without votes, and where there are fewer than two judges.

    >>> percentile(9, [(1, 7), (5, 2), (9, 1)]), percentile(5, [(1, 7), (5, 2), (9, 1)]), percentile(1, [(1, 1)])
    (10, 20, None)
    """
    total = sum(count for _, count in judges)
    if votes < 1 or total < 2:
        return None
    above = sum(count for _, count in judges[bisect_right(judges, votes, key=lambda one: one[0]) :])
    rank = min(above + 1, total)
    return -(-rank * 100 // total)
