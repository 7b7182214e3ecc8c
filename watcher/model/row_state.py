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


class RowStates:
    """State effects, sorted by crucible.

    >>> states = RowStates()
    >>> states.add(20, EntryGone(42, 1)); states.add(10, EntryState(42, 1, 7, 5, 0))
    >>> [lsn for lsn, _ in states.changes[42].entries]
    [20, 10]
    """

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: dict[int, CrucibleChange] = {}

    def add(self, lsn: int, effect: StateEffect) -> None:
        """Take one effect of the change at ``lsn``."""
        change = self.changes.get(effect.crucible_id)
        if change is None:
            change = self.changes[effect.crucible_id] = CrucibleChange()
        if type(effect) is EntryState or type(effect) is EntryGone:
            change.entries.append((lsn, effect))
        else:
            change.crucible.append((lsn, effect))  # type: ignore[arg-type]


def encode(changes: Sequence[CrucibleChange]) -> bytes:
    """Crucibles' changes as the script takes them: msgpack, per crucible ``[crucible, entries]``.

    Entries go as they are, ``[lsn, [crucible, entry, user, image, created]]``, or ``[lsn, [crucible, entry]]`` for one
    that is gone: putting them into words is left to the script, because this runs once an event.
    """
    return _encode([([_crucible(*one) for one in change.crucible], change.entries) for change in changes])


_encode = msgspec.msgpack.Encoder().encode


def _crucible(lsn: int, state: CrucibleState | CrucibleGone) -> tuple[int, str, int]:
    if isinstance(state, CrucibleGone):
        return lsn, "", KEEP_FINISHED_SECONDS
    row = msgspec.json.encode(
        {
            "user": state.user_id,
            "name": state.name,
            "status": state.status,
            "level": state.nsfw_level,
            "start": state.start_at,
            "end": state.end_at,
            "judges": state.judge_requirements,
        }
    ).decode()
    return lsn, row, KEEP_FINISHED_SECONDS if state.status in FINISHED else 0
