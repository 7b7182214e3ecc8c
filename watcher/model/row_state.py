"""The latest state of the rows that a poll brought, folded per crucible before any of it is sent."""

from dataclasses import dataclass, field

import msgspec

from watcher.model.effects import CrucibleGone, CrucibleState, EntryGone, EntryState, StateEffect

FINISHED = frozenset({"Completed", "Cancelled"})
"""States that a crucible does not leave; what Redis keeps of it expires."""

KEEP_FINISHED_SECONDS = 7 * 24 * 3600
"""How long a finished crucible stays in Redis. Shorter: late readers fall back to PostgreSQL; longer: more memory."""

MARK_DIGITS = 30


def mark(history: int, lsn: int) -> str:
    """Where in the log a state was read, as digits that sort like the numbers.

    >>> mark(1, 4096)
    '000000000100000000000000004096'
    >>> mark(2, 5) > mark(1, 4096)
    True
    """
    return f"{history:010d}{lsn:020d}"




@dataclass(slots=True)
class CrucibleChange:
    """What one poll changed in one crucible."""

    crucible: tuple[int, CrucibleState | CrucibleGone] | None = None
    """LSN and latest state of the crucible's own row."""
    entries: dict[int, tuple[int, EntryState | EntryGone]] = field(default_factory=dict)
    """Entry id -> LSN and latest state."""


class RowStates:
    """Folds state effects: per row, the highest LSN wins, whatever the order of arrival.

    >>> states = RowStates()
    >>> states.add(20, EntryGone(42, 1)); states.add(10, EntryState(42, 1, 7, 5, 0))
    >>> states.changes[42].entries[1]
    (20, EntryGone(crucible_id=42, entry_id=1))
    """

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: dict[int, CrucibleChange] = {}

    def add(self, lsn: int, effect: StateEffect) -> None:
        """Take one effect of the change at ``lsn``."""
        change = self.changes.get(effect.crucible_id)
        if change is None:
            change = self.changes[effect.crucible_id] = CrucibleChange()
        if isinstance(effect, EntryState | EntryGone):
            seen = change.entries.get(effect.entry_id)
            if seen is None or seen[0] <= lsn:
                change.entries[effect.entry_id] = (lsn, effect)
        elif change.crucible is None or change.crucible[0] <= lsn:
            change.crucible = (lsn, effect)


def encode(change: CrucibleChange, history: int) -> bytes:
    """One crucible's changes as the script takes them: msgpack of ``[crucible, entries]``."""
    crucible = None
    if change.crucible is not None:
        lsn, state = change.crucible
        finished = isinstance(state, CrucibleGone) or state.status in FINISHED
        crucible = (mark(history, lsn), _row(state), KEEP_FINISHED_SECONDS if finished else 0)
    entries = [(str(entry), mark(history, lsn), _row(state)) for entry, (lsn, state) in change.entries.items()]
    return msgspec.msgpack.encode((crucible, entries))


def _row(state: StateEffect) -> str:
    if isinstance(state, CrucibleGone | EntryGone):
        return ""
    if isinstance(state, EntryState):
        return f'{{"user":{state.user_id},"image":{state.image_id},"created":{state.created_at}}}'
    return _crucible_row(state)


def _crucible_row(state: CrucibleState) -> str:
    return msgspec.json.encode(
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
