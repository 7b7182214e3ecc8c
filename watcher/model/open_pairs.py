"""The pairs that are open to a judge of a crucible: the one to judge now and the one that follows it, and no others.

A judge who could look at many pairs and vote on those with a friend's entry alone would decide a crucible. So a pair
stays until it is judged or passed on, and how many may be passed on goes by how many were judged.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

FREE_SKIPS: Final = 3
"""Skips that a judge has before judging anything: pairs may be unlucky. More: more to choose from."""
PAIRS_PER_SKIP: Final = 3
"""Pairs to judge for each skip more. Fewer: more to choose from; more: judges decide what they have no view of."""
OPEN_AT_ONCE: Final = 2
"""Pairs that are open to a judge: one to look at, and one whose images can be loaded meanwhile. More: more to choose
from."""

_TEXT: Final = re.compile(r"(\d+):(\d+)((?:\|\d+:\d+:\d+:\d+){0,2})")


def skips_allowed(judged: int) -> int:
    """Return how many pairs a judge may skip in all.

    Args:
        judged: pairs that the judge has judged.

    >>> [skips_allowed(judged) for judged in (0, 2, 3, 30)]
    [3, 3, 4, 13]
    """
    return FREE_SKIPS + judged // PAIRS_PER_SKIP


class OpenPair(msgspec.Struct, frozen=True):
    """A pair that was served, and may be voted on once it is the first."""

    left: int
    """Entry on the left side."""
    right: int
    level: int
    """Flags under which it was chosen."""
    expires: int
    """Unix time in whole seconds, until which its token is good."""


class OpenPairs(msgspec.Struct, frozen=True):
    """What is open to a judge, and what the judge has judged and skipped so far."""

    judged: int = 0
    skipped: int = 0
    pairs: tuple[OpenPair, ...] = ()
    """The one to judge now and the one that follows it; either may be missing."""

    @property
    def skips_left(self) -> int:
        """Return how many pairs may be passed on before another one is judged."""
        return max(0, skips_allowed(self.judged) - self.skipped)

    @property
    def text(self) -> str:
        """Return the open pairs as Redis holds them, where scripts read them too.

        >>> OpenPairs(12, 3, (OpenPair(5, 9, 31, 1_900_000_000),)).text
        '12:3|5:9:31:1900000000'
        """
        pairs = (f"|{one.left}:{one.right}:{one.level}:{one.expires}" for one in self.pairs)
        return f"{self.judged}:{self.skipped}{''.join(pairs)}"

    @classmethod
    def of(cls, text: str) -> "OpenPairs":
        """Return the open pairs that a text tells of; none, with nothing judged or skipped, if it is empty or not ours.

        >>> OpenPairs.of("12:3|5:9:31:1900000000").pairs
        (OpenPair(left=5, right=9, level=31, expires=1900000000),)
        >>> OpenPairs.of("")
        OpenPairs(judged=0, skipped=0, pairs=())
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            return cls()
        return cls(int(match[1]), int(match[2]), tuple(_pairs(match[3])))


def _pairs(text: str) -> Iterator[OpenPair]:
    for part in text.split("|")[1:]:
        yield OpenPair(*map(int, part.split(":")))
