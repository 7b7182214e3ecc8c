"""The states of the rows that a poll brought, by crucible, packed as the script takes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

import msgspec

FINISHED = frozenset({"Completed", "Cancelled"})
"""States that a crucible does not leave; what Redis keeps of it expires."""

KEEP_FINISHED_SECONDS = 7 * 24 * 3600
"""How long a finished crucible stays in Redis. Shorter: late readers fall back to PostgreSQL; longer: more memory."""


VERDICT: Final = "verdict"
"""The kind of an entry's verdict."""

PACKED_ENTRY: Final = Struct("<QqqqqB")
"""How an entry's row is packed; scripts get the same layout in Lua's words, see ``watcher/redis/scripts.py``."""

packed_entry = PACKED_ENTRY.pack
"""From LSN, entry, user, image, time of creation, and 1 if the entry is there, to the bytes that the script takes; of
one that is gone all but the first two are 0. Packed at once, because this runs once an event: kept as objects until the
poll's end, entries would cost twice as much."""


@dataclass(slots=True)
class CrucibleChange:
    """What one poll changed in one crucible, in order of arrival.

    Which state of a row wins is the sink's to tell: it has to compare with what it shows anyway.
    """

    rows: list[bytes] = field(default_factory=list)
    """Rows of every other kind than entries, the crucible's own among them; see :func:`packed_row`."""
    entries: bytearray = field(default_factory=bytearray)
    """The entries' rows, which are many, one behind the other; see :data:`packed_entry`."""

    def living(self) -> Iterator[tuple[int, int]]:
        """Yield entry and image of each entry's row that is there."""
        for _, entry_id, _, image_id, _, lives in PACKED_ENTRY.iter_unpack(self.entries):
            if lives:
                yield entry_id, image_id

    def admitted(self) -> Iterator[tuple[int, int]]:
        """Yield entry and image of each entry that takes part from now on."""
        for row in self.rows:
            kind, _, *values = _decode(row)
            if kind == VERDICT and values[2]:
                yield values[0], values[1]

    def entry_states(self) -> Iterator[tuple[int, int, bool]]:
        """Yield log position, entry, and whether it is there, of each of the entries' rows."""
        for lsn, entry_id, _, _, _, lives in PACKED_ENTRY.iter_unpack(self.entries):
            yield lsn, entry_id, bool(lives)

    def has(self, kind: str) -> bool:
        """Return whether a row of this kind, which is not that of entries, is among them."""
        return any(_decode(row)[0] == kind for row in self.rows)

    @property
    def any_gone(self) -> bool:
        """Return whether a row is that of an entry that is gone, without looking at the rows one by one."""
        return 0 in self.entries[PACKED_ENTRY.size - 1 :: PACKED_ENTRY.size]

    def gone(self) -> list[int]:
        """Return the entries whose row is gone."""
        return [entry for _, entry, lives in self.entry_states() if not lives] if self.any_gone else []

    def __len__(self) -> int:
        """Return how many rows' states this is."""
        return len(self.rows) + len(self.entries) // PACKED_ENTRY.size


class RowStates(dict[int, CrucibleChange]):
    """What a poll changed, by crucible; asking for a crucible makes room for it.

    >>> states = RowStates()
    >>> states[42].entries += packed_entry(20, 1, 0, 0, 0, 0)
    >>> states[42].entries += packed_entry(10, 1, 7, 5, 0, 1)
    >>> len(states[42]), list(states[42].living()), states[42].any_gone
    (2, [(1, 5)], True)
    """

    __slots__ = ()

    def __missing__(self, crucible_id: int) -> CrucibleChange:
        _encode(crucible_id)  # raises OverflowError for a number that could not be sent
        change = self[crucible_id] = CrucibleChange()
        return change


class ShownStates(msgspec.Struct, frozen=True):
    """What showing a poll's states came to."""

    rows: int
    """Rows that are shown now and were not before."""
    stale: int
    """Rows that are shown as they are, or newer."""
    unshown: int = 0
    """Rows of crucibles that the sink does not hold."""
    absent: frozenset[int] = frozenset()
    """Those crucibles, if entries came for them: to be built from the other stores."""


def arguments(changes: Mapping[int, CrucibleChange]) -> list[bytes]:
    """Return crucibles' changes as the script takes them.

    First msgpack, per crucible ``[id, its rows that are no entries]``; then the packed entries of each.
    """
    rows = [(crucible_id, list(map(msgspec.Raw, change.rows))) for crucible_id, change in changes.items()]
    return [_encode(rows), *(bytes(change.entries) for change in changes.values())]


def packed_row(kind: str, lsn: int, *values: str | int) -> bytes:
    r"""Return a row's state as the script takes it: msgpack of its kind, its place in the log, and what the kind needs.

    >>> packed_row("crucible", 7, 0)
    b'\x93\xa8crucible\x07\x00'

    Raises:
        OverflowError: a number that could not be sent.
    """
    return _encode((kind, lsn, *values))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
