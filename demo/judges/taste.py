"""What a judge likes, so that ratings have something to find out."""

from random import Random

SPREAD_POINTS = 200.0
"""Points of rating by which images differ, as a standard deviation."""


def quality(url: str) -> float:
    """Return how good an image is, in points of rating around 0: the same for everybody, and known to nobody."""
    return Random(url).gauss(0, SPREAD_POINTS)


def prefers_left(left: str, right: str, rng: Random) -> bool:
    """Return whether a look prefers the left image: the better one wins more often, by the odds of Elo's scale of 400.

    >>> rng = Random(1)
    >>> wins = sum(prefers_left("image-3", "image-4", rng) for _ in range(1000)) / 1000
    >>> odds = 1 / (1 + 10 ** ((quality("image-4") - quality("image-3")) / 400))
    >>> abs(wins - odds) < 0.05
    True
    """
    return rng.random() < 1 / (1 + 10 ** ((quality(right) - quality(left)) / 400))
