"""What an audit may find."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from demo.truth import ExpectedTotal

Key = TypeVar("Key", int, ExpectedTotal, tuple[int, int])


class Kind(Enum):
    """In which way a place disagrees with what was committed."""

    LOST = "lost"
    """Something committed is not there, or something deleted still is."""
    TWICE = "twice"
    """Something is there more often than it happened."""
    WRONG = "wrong"
    """A sum or a rating is not what it should be."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A disagreement: which kind, in which place, about what, and how many times or by how much."""

    kind: Kind
    where: str
    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.where}: {self.what}, {self.kind.value} {self.count}"


def compare_sums(where: str, expected: Mapping[Key, int], found: Mapping[Key, int]) -> list[Disagreement]:
    """Compare sums by key; a key that is absent has 0.

    >>> [str(finding) for finding in compare_sums("view", {5: 2}, {5: 1, 6: 3})]
    ['view: 5 is 1 instead of 2, wrong 1', 'view: 6 is 3 instead of 0, wrong 3']
    """
    findings = []
    for key in sorted(expected.keys() | found.keys()):
        should, does = expected.get(key, 0), found.get(key, 0)
        if does != should:
            name = " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
            findings.append(
                Disagreement(Kind.WRONG, where, f"{name} is {does} instead of {should}", abs(does - should))
            )
    return findings
