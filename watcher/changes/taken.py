"""What one poll's records came to, beside the rows that its lanes gathered."""

from collections import Counter
from dataclasses import dataclass, field

from watcher.decode.decoder import HEARTBEAT
from watcher.model.change import Position
from watcher.model.dead_letter import DeadLetter
from watcher.model.effects import ReconcileNeeded
from watcher.model.errors import RecordError, TemporaryError
from watcher.model.row_state import RowStates
from watcher.model.stream import Record

Kind = tuple[str, str]
"""Table and operation."""


@dataclass(slots=True)
class Taken:
    """What to show, to send and to say of records that were taken."""

    states: RowStates = field(default_factory=RowStates)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)
    """Good records and the dead letters that followed them, for the limit."""
    consumed: Counter[Kind] = field(default_factory=Counter)
    ignored: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records that say nothing, by table and reason."""
    repeated: Counter[str] = field(default_factory=Counter)
    """Changes that their batch held already, by table."""
    reconcile: list[ReconcileNeeded] = field(default_factory=list)
    newest: dict[str, int] = field(default_factory=dict)
    """Commit time of the last change, in milliseconds since 1970, by table."""
    oldest: dict[str, int] = field(default_factory=dict)
    """Likewise of the first."""
    heartbeat: bool = False
    waiting: TemporaryError | None = None
    """Why the first record not taken has to wait."""

    def skip(self, reason: str) -> None:
        """Count a record that says nothing of a row."""
        self.consumed["", ""] += 1
        self.ignored["", reason] += 1
        self.heartbeat = self.heartbeat or reason == HEARTBEAT

    def ignore(self, kind: Kind) -> None:
        """Count a change that no handler answers."""
        self.consumed[kind] += 1
        self.ignored[kind[0], "operation"] += 1

    def refuse(self, record: Record, error: RecordError, good: int) -> None:
        """Make a letter of a record that cannot be used, after so many that can."""
        self.consumed[error.table, error.op] += 1
        self.dead_letters.append(dead_letter(record, error))
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
