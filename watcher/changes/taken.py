"""What one poll's records came to, beside the rows that its lanes gathered."""

from collections import Counter
from dataclasses import dataclass, field

from watcher.decode.decoder import HEARTBEAT
from watcher.model.beat import Beat
from watcher.model.change import Position
from watcher.model.dead_letter import DeadLetter
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import Reason, RecordError, TemporaryError
from watcher.model.extent import Extent, lsn_text, offset_text
from watcher.model.key_change import KeyChange
from watcher.model.need_reason import NeedReason
from watcher.model.row_state import RowStates
from watcher.model.stream import Record

TableOperation = tuple[str, str]
"""Table and operation."""


@dataclass(slots=True)
class Taken:
    """What came of records that were taken: what is to be shown, sent, counted and logged."""

    states: RowStates = field(default_factory=RowStates)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    refused: list[tuple[str, DeadLetter]] = field(default_factory=list)
    """Those of the letters that are of changes, each with the table of the change."""
    runs: list[tuple[int, int]] = field(default_factory=list)
    """Good records and the dead letters that followed them, for the limit."""
    consumed: Counter[TableOperation] = field(default_factory=Counter)
    ignored: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records that say nothing, by table and reason."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Changes that their batch held already, by table."""
    reconcile: list[tuple[ReconcileNeeded, int]] = field(default_factory=list)
    """Needs of a comparison, each with the log position at which it arose."""
    beats: list[Beat] = field(default_factory=list)
    farthest: tuple[int, int] = (0, 0)
    """Commit time, in milliseconds since 1970, and log position of the change that was committed last."""
    key_changes: list[KeyChange] = field(default_factory=list)
    """Deletes whose rows go on under another key."""
    newest: dict[str, int] = field(default_factory=dict)
    """Commit time of the last change, in milliseconds since 1970, by table."""
    oldest: dict[str, int] = field(default_factory=dict)
    """Likewise of the first."""
    heartbeat: bool = False
    waiting: TemporaryError | None = None
    """Why the first record not taken has to wait."""

    def needs(self) -> dict[ReconcileNeeded, Extent]:
        """Return which tables only a comparison can tell from now on, and where that arose.

        A refused change is one: it moved counts and rows by what its letter holds and the sinks do not.
        """
        found: dict[ReconcileNeeded, list[str]] = {}
        for need, lsn in self.reconcile:
            found.setdefault(need, []).append(f"LSN {lsn_text(lsn)}")
        for table, letter in self.refused:
            place = offset_text(letter.position, letter.timestamp_ms)
            found.setdefault(ReconcileNeeded(table, NeedReason.DEAD_LETTER), []).append(place)
        return {need: Extent.of(places) for need, places in found.items()}

    def skip(self, reason: str) -> None:
        """Count a record that tells of no row."""
        self.consumed["", ""] += 1
        self.ignored["", reason] += 1
        self.heartbeat = self.heartbeat or reason == HEARTBEAT

    def ignore(self, kind: TableOperation) -> None:
        """Count a change that no handler answers."""
        self.consumed[kind] += 1
        self.ignored[kind[0], "operation"] += 1

    def refuse(self, record: Record, error: RecordError, good: int, table: str = "") -> None:
        """Make a letter of a record that cannot be used.

        Args:
            record: what cannot be used.
            error: why.
            good: how many records before it can.
            table: whose changes its topic brings, for an error that does not say.
        """
        self.consumed[error.table, error.op] += 1
        letter = dead_letter(record, error)
        self.dead_letters.append(letter)
        if (error.table or table) and error.reason is not Reason.UNKNOWN_TABLE:
            self.refused.append((error.table or table, letter))
        self.runs.append((good, 1))


def dead_letter(record: Record, error: RecordError) -> DeadLetter:
    """Return the letter of a refused record."""
    headers = record.headers() or []
    return DeadLetter(
        position=Position(record.topic() or "", record.partition() or 0, record.offset() or 0),
        key=record.key(),
        value=record.value(),
        headers=tuple(
            (name, _bytes(value)) for name, value in (headers.items() if isinstance(headers, dict) else headers)
        ),
        timestamp_ms=max(record.timestamp()[1], 0),
        error=error,
        table=error.table,
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
