"""What is wrong with the counts of a row: missing, left over, repeated or elsewhere; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from watcher.model.counts import Total

CountsByKey = Mapping[int, Counter[Total]]
"""By key of the row: what it counts for, or what was counted of it."""


class DifferenceKind(StrEnum):
    """How a row's counts are wrong."""

    MISSING = "missing"
    """The row is there and was never counted, or counted back."""
    LEFT_OVER = "left_over"
    """It is counted, and the row is gone."""
    REPEATED = "repeated"
    """It is counted several times over."""
    ELSEWHERE = "elsewhere"
    """It is counted for another entity or user, or by another amount, than its row says."""


class Difference(msgspec.Struct, frozen=True, eq=False):
    """One row whose counts are not what it counts for.

    Two are equal if the same is wrong with the same row, whatever the row counts for by then: a change moves what it
    counts for and what was counted of it alike, so what is wrong stays wrong beside all changes.

    >>> user = lambda user: ("User", user, user, "crucibleCount")
    >>> before = Difference(5, DifferenceKind.MISSING, {user(7): 1}, {})
    >>> before == Difference(5, DifferenceKind.ELSEWHERE, {user(8): 1}, {user(7): -1, user(8): 1})
    True
    >>> before == Difference(5, DifferenceKind.MISSING, {user(8): 1}, {})
    False
    """

    key: int
    kind: DifferenceKind
    expected: Mapping[Total, int]
    """What the row counts for."""
    counted: Mapping[Total, int]
    """What was counted of it."""

    @property
    def wrong(self) -> dict[Total, int]:
        """Return by how much was counted too little; below 0: too much."""
        found = {one: self.expected.get(one, 0) - self.counted.get(one, 0) for one in {*self.expected, *self.counted}}
        return {one: value for one, value in found.items() if value}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Difference) and (self.key, self.wrong) == (other.key, other.wrong)

    def __ne__(self, other: object) -> bool:
        return not self == other  # a struct's own does not ask what is above

    def __hash__(self) -> int:
        return hash((self.key, frozenset(self.wrong.items())))


def differences(expected: CountsByKey, counted: CountsByKey) -> Iterator[Difference]:
    """Yield every row whose counts differ, by key."""
    for key in sorted(expected.keys() | counted.keys()):
        wanted, there = expected.get(key, Counter()), counted.get(key, Counter())
        if wanted != there:
            yield difference(key, wanted, there)


def difference(key: int, expected: Mapping[Total, int], counted: Mapping[Total, int]) -> Difference:
    """Return what is wrong with a row that counts for one thing, and of which another was counted."""
    return Difference(key, _kind(expected, counted), dict(expected), dict(counted))


def _kind(wanted: Mapping[Total, int], there: Mapping[Total, int]) -> DifferenceKind:
    if not there:
        return DifferenceKind.MISSING
    if not wanted:
        return DifferenceKind.LEFT_OVER
    if wanted.keys() == there.keys() and all(there[one] > value > 0 for one, value in wanted.items()):
        return DifferenceKind.REPEATED
    return DifferenceKind.ELSEWHERE
