"""One kind of difference that was found, with how much of it there is and whether what is right can be told."""

from collections.abc import Iterable

import msgspec


class DifferenceReport(msgspec.Struct, frozen=True):
    """Differences of one kind in one place."""

    where: str
    """The table, or ``redis``."""
    kind: str
    rows: int
    derivable: bool
    """Whether what is right follows from what is there; else a person has to look."""
    examples: tuple[str, ...]
    mended: int = 0

    @property
    def left(self) -> int:
        """Return how many still differ."""
        return max(0, self.rows - self.mended)


class DifferenceReports:
    """Adds up differences by place and kind, and keeps a few examples of each.

    Args:
        examples: of each kind.
        earlier: what was found before.
    """

    def __init__(self, examples: int, earlier: Iterable[DifferenceReport] = ()) -> None:
        self._most = examples
        self._found = {(one.where, one.kind): one for one in earlier}

    def add(self, where: str, kind: str, *examples: str, rows: int = 1, derivable: bool = True) -> None:
        """Add differences of a kind; one that cannot be derived makes its kind one that cannot."""
        there = self._found.get((where, kind)) or DifferenceReport(where, kind, 0, derivable=True, examples=())
        self._found[where, kind] = msgspec.structs.replace(
            there,
            rows=there.rows + rows,
            derivable=there.derivable and derivable,
            examples=(*there.examples, *examples)[: self._most],
        )

    def add_mended(self, where: str, kind: str, rows: int) -> None:
        """Add what of a kind, which was added before, was put right."""
        there = self._found[where, kind]
        self._found[where, kind] = msgspec.structs.replace(there, mended=there.mended + rows)

    def all(self) -> tuple[DifferenceReport, ...]:
        """Return every kind that was found, in the order in which they were."""
        return tuple(self._found.values())
