"""What a handler wants to happen, as data: a sink decides how, and each effect knows where it goes.

There are three kinds. A metric delta is a row of the batch that its change is counted in, once; what packs it is in
``metric_row.py``, because the change's identity is part of the row. A row state is shown, and a need of comparison is
noted, and so is a beat; those pack themselves, with :meth:`pack`. The loop moves only bytes, so another row state is a
class here, the handler that yields it, and what ``row_state.lua`` does with its kind.
"""

from collections.abc import Iterable, MutableSequence
from typing import Any, ClassVar, Protocol, final

import msgspec

from watcher.model.beat import Beat
from watcher.model.row_state import FINISHED, KEEP_FINISHED_SECONDS, VERDICT, RowStates, packed_entry, packed_row


@final
class MetricDelta(msgspec.Struct, frozen=True, gc=False):
    """A row of ``entityMetricEvents``: somebody's action moved a count of an entity by ``value``."""

    entity_type: str
    entity_id: int
    user_id: int
    metric_type: str
    value: int


class PollEffects(Protocol):
    """Where effects go that are no rows of a batch: what one poll's records come to beside those."""

    @property
    def states(self) -> RowStates:
        """Return the row states to be shown, by crucible."""
        ...

    @property
    def reconcile(self) -> list[tuple["ReconcileNeeded", int]]:
        """Return the needs of a comparison, with the log positions at which they arose."""
        ...

    @property
    def beats(self) -> list[Beat]:
        """Return the beats that came."""
        ...


Packed = tuple[MutableSequence[Any], Iterable[Any]]
"""Where an effect belongs, and the effect as it is kept there: extending the one by the other keeps it. Two steps,
because nothing of a record is kept before all of it could be packed."""


class CrucibleState(msgspec.Struct, frozen=True, gc=False):
    """The crucible as its latest row shows it; times in milliseconds since 1970, UTC."""

    kind: ClassVar[str] = "crucible"

    crucible_id: int
    user_id: int
    name: str
    status: str
    nsfw_level: int
    start_at: int | None
    end_at: int | None
    judge_requirements: str | None
    """The column's JSON text; None for SQL NULL, ``"null"`` for JSON null."""
    places: int
    """Number of places that are paid."""

    def fields(self) -> dict[str, str]:
        """Return the row as the state key's hash holds it: whole for readers, and in parts for scripts."""
        row = {
            "user": self.user_id,
            "name": self.name,
            "status": self.status,
            "level": self.nsfw_level,
            "start": self.start_at,
            "end": self.end_at,
            "judges": self.judge_requirements,
            "places": self.places,
        }
        return {
            "row": msgspec.json.encode(row).decode(),
            "status": self.status,
            "start": "" if self.start_at is None else str(self.start_at),
            "end": "" if self.end_at is None else str(self.end_at),
            "level": str(self.nsfw_level),
        }

    def pack(self, lsn: int, poll: PollEffects) -> Packed:
        """Pack it as a row of its kind: seconds to keep the crucible or 0, then its fields.

        Raises:
            OverflowError: a number that could not be sent.
        """
        seconds = KEEP_FINISHED_SECONDS if self.status in FINISHED else 0
        return poll.states[self.crucible_id].rows, [packed_row(self.kind, lsn, seconds, *self.fields().values())]


class CrucibleGone(msgspec.Struct, frozen=True, gc=False):
    """The crucible's row was deleted, and with it everything that was kept of it."""

    kind: ClassVar[str] = CrucibleState.kind

    crucible_id: int

    def fields(self) -> dict[str, str]:
        """Return the row as the state key's hash holds it, with nothing in it.

        >>> CrucibleGone(42).fields()["row"]
        ''
        """
        return dict.fromkeys(("row", "status", "start", "end", "level"), "")

    def pack(self, lsn: int, poll: PollEffects) -> Packed:
        """Pack it like a crucible that has ended, without a row.

        Raises:
            OverflowError: a number that could not be sent.
        """
        texts = self.fields().values()
        return poll.states[self.crucible_id].rows, [packed_row(self.kind, lsn, KEEP_FINISHED_SECONDS, *texts)]


class EntryState(msgspec.Struct, frozen=True, gc=False):
    """The entry as its latest row shows it. Says nothing of its rating: votes own that."""

    crucible_id: int
    entry_id: int
    user_id: int
    image_id: int
    created_at: int
    """Milliseconds since 1970, UTC. Breaks ties of equal rating."""

    def pack(self, lsn: int, poll: PollEffects) -> Packed:
        """Pack it among the crucible's entries.

        Raises:
            struct.error, OverflowError: a number that could not be sent.
        """
        return (
            poll.states[self.crucible_id].entries,
            packed_entry(lsn, self.entry_id, self.user_id, self.image_id, self.created_at, 1),
        )


class EntryGone(msgspec.Struct, frozen=True, gc=False):
    """The entry left the crucible: deleted, or moved to another one."""

    crucible_id: int
    entry_id: int

    def pack(self, lsn: int, poll: PollEffects) -> Packed:
        """Pack it among the crucible's entries, as one that is gone.

        Raises:
            struct.error, OverflowError: a number that could not be sent.
        """
        return poll.states[self.crucible_id].entries, packed_entry(lsn, self.entry_id, 0, 0, 0, 0)


class EntryVerdict(msgspec.Struct, frozen=True, gc=False):
    """Whether an entry takes part, as its latest verdict says; its image is somebody else's to look at."""

    kind: ClassVar[str] = VERDICT

    crucible_id: int
    entry_id: int
    image_id: int
    takes_part: bool

    def pack(self, lsn: int, poll: PollEffects) -> Packed:
        """Pack it as a row of its kind: entry, image, and 1 if it takes part or 0.

        Raises:
            OverflowError: a number that could not be sent.
        """
        row = packed_row(self.kind, lsn, self.entry_id, self.image_id, int(self.takes_part))
        return poll.states[self.crucible_id].rows, [row]


class BeatCame(msgspec.Struct, frozen=True, gc=False):
    """A beat of the watcher's own came back."""

    number: int
    written: int
    read: bool

    def pack(self, lsn: int, poll: PollEffects) -> Packed:
        """Keep it with its place in the log."""
        return poll.beats, [Beat(self.number, self.written, lsn, self.read)]


class ReconcileNeeded(msgspec.Struct, frozen=True, gc=False):
    """The stream cannot tell by how much the table's counts moved; comparing with PostgreSQL can."""

    table: str
    reason: str

    def pack(self, lsn: int, poll: PollEffects) -> Packed:
        """Keep it with its place."""
        return poll.reconcile, [(self, lsn)]


StateEffect = CrucibleState | CrucibleGone | EntryState | EntryGone | EntryVerdict
Effect = MetricDelta | StateEffect | BeatCame | ReconcileNeeded
