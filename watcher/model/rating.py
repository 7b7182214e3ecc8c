"""Elo ratings in whole points: K = 32, base 1500, scale 400.

The rule is ``gain = round(K * (1 - expected))`` with ``expected = 1 / (1 + 10 ** ((loser - winner) / 400))``; the loser
gives what the winner gets. Ratings are integers, so the gain depends on the integer gap alone: it is worked out once,
here, and Redis' script, the API and every replay read the same table. No floating point is left to differ.

Two of the three examples that came with the rule contradict it. 1600 beating 1400 is **+8/-8**, not +5/-5, and 1400
beating 1600 is **+24/-24**, not +27/-27: 5 and 27 belong to a gap of 300 points. The formula wins. (The third, +16/-16
between equals, is right.)

No gap gives an exact half, so the direction of rounding does not matter; it is ``floor(x + 0.5)``.
"""

from math import floor
from typing import Final

K: Final = 32
BASE_RATING: Final = 1500
"""Rating of a new entry; from then on votes own it."""
SCALE: Final = 400
"""Points of lead that make winning ten times as likely as losing."""


def formula(lead: int) -> int:
    """Return the points that a winner gains who was ahead by ``lead`` points (behind, if negative).

    >>> formula(0), formula(200), formula(-200), formula(300), formula(-300)
    (16, 8, 24, 5, 27)
    """
    expected = 1 / (1 + 10 ** (-lead / SCALE))
    return floor(K * (1 - expected) + 0.5)


def _until_nothing_is_gained() -> tuple[int, ...]:
    gains: list[int] = []
    while gain := formula(len(gains)):
        gains.append(gain)
    return tuple(gains)


FAVOURITES: Final = _until_nothing_is_gained()
"""Gain of a winner who was ahead by 0 to 719 points; further ahead there is nothing to gain."""

ZERO: Final = ord("@")
GAINS: Final = "".join(chr(ZERO + gain) for gain in FAVOURITES)
"""``FAVOURITES`` as Redis' script reads it: a letter per point of lead, ``A`` for 1 to ``P`` for 16. One constant, so
that a vote builds no table."""


def gain(winner: int, loser: int) -> int:
    """Return the points that go from the loser to the winner.

    Args:
        winner, loser: ratings before the vote.

    >>> gain(1500, 1500), gain(1600, 1400), gain(1400, 1600)
    (16, 8, 24)
    >>> gain(2300, 1500), gain(1500, 2300)
    (0, 32)
    """
    lead = winner - loser
    if lead >= 0:
        return FAVOURITES[lead] if lead < len(FAVOURITES) else 0
    return K - (FAVOURITES[-lead] if -lead < len(FAVOURITES) else 0)
