"""By which rules the entries of a crucible were decided, and which of them other rules can decide otherwise."""

from typing import Final, NamedTuple

NO_END: Final = 2**63 - 1
"""Stands in place of the end of a crucible that has none."""
ANY_END: Final = -(2**63)
"""The first of the ends that entries were decided by, where nobody knows."""

SEVERAL: Final = -1
"""Stands in place of the digest of rules, where some entries were decided by others than the rest."""


class Entered(NamedTuple):
    """Entries by when they were made, both milliseconds included; None: however early, or however late."""

    first_ms: int | None
    last_ms: int | None


ALL_ENTRIES: Final = Entered(None, None)


class DecidedBy(NamedTuple):
    """The rules that entries of one crucible were decided by.

    They were alike but for the crucible's end: where that was moved, some entries may have been decided by one and
    others by another.
    """

    status: str
    """Of the crucible, when that was noted."""
    digest: int
    """Of all rules but the end, with what the settings say of fees; or ``SEVERAL``."""
    first_end_ms: int
    last_end_ms: int
    """The earliest and the latest end: milliseconds since 1970, or ``NO_END``."""

    def affected_by(self, now: "DecidedBy") -> Entered | None:
        """Return the entries that may be decided otherwise by the rules as they are now; None: none of them.

        An end that is moved changes nothing for those that were made before both ends, or after both. Whoever gets in
        because of it came after all who are in, so that it takes nobody's place.

        >>> by = DecidedBy("Active", 1, 2_000, 2_000)
        >>> by.affected_by(DecidedBy("Active", 1, 9_000, 9_000))
        Entered(first_ms=2000, last_ms=9000)
        >>> by.affected_by(DecidedBy("Active", 2, 2_000, 2_000))
        Entered(first_ms=None, last_ms=None)
        """
        if self.digest != now.digest:
            return ALL_ENTRIES
        first, last = min(self.first_end_ms, now.first_end_ms), max(self.last_end_ms, now.last_end_ms)
        if first == last:
            return None
        return Entered(None if first == ANY_END else first, None if last == NO_END else last)
