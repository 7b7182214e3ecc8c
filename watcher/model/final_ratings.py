"""Ratings and numbers of votes with which a crucible ends, as columns: a million entries are three arrays."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

_HASHED_ENTRIES: Final = 10_000
"""Entries. More: more memory; fewer: more calls."""


class FinalRatings(msgspec.Struct, frozen=True):
    """Ratings of entries, sorted by the entry's id; the three columns are of one length."""

    entry_ids: "array[int]"
    """Type code ``l``, as the others."""
    ratings: "array[int]"
    """An entry without any vote has 1500."""
    votes: "array[int]"
    """In how many votes the entry was judged."""

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int]]) -> "FinalRatings":
        """Return the columns of entries given as (entry, rating, votes), in any order."""
        columns = cls(array("l"), array("l"), array("l"))
        for entry, rating, votes in sorted(rows):
            columns.entry_ids.append(entry)
            columns.ratings.append(rating)
            columns.votes.append(votes)
        return columns

    def __len__(self) -> int:
        return len(self.entry_ids)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield (entry, rating, votes) in the order of entries' ids."""
        return zip(self.entry_ids, self.ratings, self.votes, strict=True)

    def digest(self) -> str:
        r"""Return the proof of a result: SHA-256 in hexadecimal over ``entry:rating:votes\n`` of entries with a vote.

        >>> FinalRatings.of([(2, 1484, 1), (1, 1516, 1), (3, 1500, 0)]).digest()[:16]
        '8ccad1675d1ff74f'
        """
        found, lines = hashlib.sha256(), []
        for entry, rating, votes in self:
            if votes:
                lines.append(f"{entry}:{rating}:{votes}\n")
                if len(lines) == _HASHED_ENTRIES:
                    found.update("".join(lines).encode())
                    lines.clear()
        found.update("".join(lines).encode())
        return found.hexdigest()
