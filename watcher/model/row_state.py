"""The latest state of the rows that a poll brought, folded per crucible before any of it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from watcher.model.effects import CrucibleGone, CrucibleState, EntryGone, EntryState, StateEffect

FINISHED = frozenset({"Completed", "Cancelled"})
"""States that a crucible does not leave; what Redis keeps of it expires."""

KEEP_FINISHED_SECONDS = 7 * 24 * 3600
"""How long a finished crucible stays in Redis. Shorter: late readers fall back to PostgreSQL; longer: more memory."""


@dataclass(slots=True)
class CrucibleChange:
    """What one poll changed in one crucible, in order of arrival.

    Which state of a row wins is the sink's to tell: it has to compare with what it shows anyway.
    """

    crucible: list[tuple[int, CrucibleState | CrucibleGone]] = field(default_factory=list)
    """LSN and state of the crucible's own row."""
    entries: list[tuple[int, EntryState | EntryGone]] = field(default_factory=list)
    """LSN and state of the entries' rows."""


class RowStates(dict[int, CrucibleChange]):
    """What a poll changed, by crucible; asking for a crucible makes room for it.

    >>> states = RowStates()
    >>> states[42].entries.append((20, EntryGone(42, 1)))
    >>> states[42].entries.append((10, EntryState(42, 1, 7, 5, 0)))
    >>> [lsn for lsn, _ in states[42].entries]
    [20, 10]
    """

    __slots__ = ()

    def __missing__(self, crucible_id: int) -> CrucibleChange:
        change = self[crucible_id] = CrucibleChange()
        return change

    def add(self, lsn: int, effect: StateEffect) -> None:
        """Take one effect of the change at ``lsn``."""
        change = self[effect.crucible_id]
        if type(effect) is EntryState or type(effect) is EntryGone:
            change.entries.append((lsn, effect))
        else:
            change.crucible.append((lsn, effect))  # type: ignore[arg-type]


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


def mark(history: int, lsn: int) -> str:
    """A row's place in the log as Redis compares it; see ``row_state.lua``. At position 0 any change is newer.

    >>> mark(1, 4096)
    '000000000100000000000000004096'
    """
    return f"{history:010d}{lsn:020d}"


def entry_text(place: str, entry: EntryState) -> str:
    """An entry as the entries key's hash holds it.

    >>> entry_text("", EntryState(42, 1, 7, 5, 1_760_000_000_000))
    '{"user":7,"image":5,"created":1760000000000}'
    """
    return f'{place}{{"user":{entry.user_id},"image":{entry.image_id},"created":{entry.created_at}}}'


def encode(changes: Sequence[CrucibleChange]) -> bytes:
    """Crucibles' changes as the script takes them: msgpack, per crucible ``[crucible, entries]``.

    Entries go as they are, ``[lsn, [crucible, entry, user, image, created]]``, or ``[lsn, [crucible, entry]]`` for one
    that is gone: putting them into words is left to the script, because this runs once an event.
    """
    return _encode([([_crucible(*one) for one in change.crucible], change.entries) for change in changes])


_encode = msgspec.msgpack.Encoder().encode


def _crucible(lsn: int, state: CrucibleState | CrucibleGone) -> tuple[int | str, ...]:
    lasting = isinstance(state, CrucibleState) and state.status not in FINISHED
    return lsn, 0 if lasting else KEEP_FINISHED_SECONDS, *state_fields(state).values()
