"""The states of the rows that a poll brought, by crucible, packed as the script takes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

import msgspec

from watcher.model.effects import CrucibleGone, CrucibleState

FINISHED = frozenset({"Completed", "Cancelled"})
"""States that a crucible does not leave; what Redis keeps of it expires."""

KEEP_FINISHED_SECONDS = 7 * 24 * 3600
"""How long a finished crucible stays in Redis. Shorter: late readers fall back to PostgreSQL; longer: more memory."""


_ENTRY: Final = Struct("<QqqqqB")
"""The same in ``row_state.lua``."""

packed_entry = _ENTRY.pack
"""From LSN, entry, user, image, time of creation, and 1 if the entry is there, to the bytes that the script takes; of
one that is gone all but the first two are 0. Packed at once, because this runs once an event: kept as objects until the
poll's end, entries would cost twice as much."""


@dataclass(slots=True)
class CrucibleChange:
    """What one poll changed in one crucible, in order of arrival.

    Which state of a row wins is the sink's to tell: it has to compare with what it shows anyway.
    """

    crucible: list[bytes] = field(default_factory=list)
    """LSN and state of the crucible's own row, packed."""
    entries: bytearray = field(default_factory=bytearray)
    """LSN and state of the entries' rows, packed."""

    def living(self) -> Iterator[tuple[int, int]]:
        """Entry and image of each entry's row that is there."""
        for _, entry_id, _, image_id, _, lives in _ENTRY.iter_unpack(self.entries):
            if lives:
                yield entry_id, image_id

    def entry_states(self) -> Iterator[tuple[int, int, bool]]:
        """Yield log position, entry, and whether it is there, of each of the entries' rows."""
        for lsn, entry_id, _, _, _, lives in _ENTRY.iter_unpack(self.entries):
            yield lsn, entry_id, bool(lives)

    @property
    def rows(self) -> int:
        """How many rows' states this is."""
        return len(self.crucible) + len(self.entries) // _ENTRY.size


class RowStates(dict[int, CrucibleChange]):
    """What a poll changed, by crucible; asking for a crucible makes room for it.

    >>> states = RowStates()
    >>> states[42].entries += packed_entry(20, 1, 0, 0, 0, 0)
    >>> states[42].entries += packed_entry(10, 1, 7, 5, 0, 1)
    >>> states[42].rows, list(states[42].living())
    (2, [(1, 5)])
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


def state_fields(state: CrucibleState | CrucibleGone) -> dict[str, str]:
    """The crucible's row as the state key's hash holds it: whole for readers, and in parts for scripts.

    >>> fields = state_fields(CrucibleGone(42)); fields["status"], fields["row"]
    ('', '')
    """
    if isinstance(state, CrucibleGone):
        return dict.fromkeys(("row", "status", "start", "end", "level"), "")
    row = {
        "user": state.user_id,
        "name": state.name,
        "status": state.status,
        "level": state.nsfw_level,
        "start": state.start_at,
        "end": state.end_at,
        "judges": state.judge_requirements,
        "places": state.places,
    }
    return {
        "row": msgspec.json.encode(row).decode(),
        "status": state.status,
        "start": "" if state.start_at is None else str(state.start_at),
        "end": "" if state.end_at is None else str(state.end_at),
        "level": str(state.nsfw_level),
    }


def arguments(changes: Mapping[int, CrucibleChange]) -> list[bytes]:
    """Crucibles' changes as the script takes them.

    First msgpack, per crucible ``[id, its own rows]``; then the packed entries of each.
    """
    own = [(crucible_id, list(map(msgspec.Raw, change.crucible))) for crucible_id, change in changes.items()]
    return [_encode(own), *(bytes(change.entries) for change in changes.values())]


def packed_crucible(lsn: int, state: CrucibleState | CrucibleGone) -> bytes:
    """A crucible's own row as the script takes it: msgpack of LSN, seconds to keep it or 0, and its fields' values.

    Raises:
        OverflowError: a number that could not be sent.
    """
    lasting = isinstance(state, CrucibleState) and state.status not in FINISHED
    return _encode((lsn, 0 if lasting else KEEP_FINISHED_SECONDS, *state_fields(state).values()))


_encode = msgspec.msgpack.Encoder().encode
