"""From records to what they come to: rows gathered per partition, row states per crucible, dead letters.

This is the only code that runs once an event, so it is written for speed: one loop, no layers, and each lookup that
can be made per batch is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message

from watcher.decode.decoder import HEARTBEAT, Decoder, Skip
from watcher.engine.lane import Lane
from watcher.model.change import ChangeEvent, Operation, Position
from watcher.model.dead_letter import DeadLetter
from watcher.model.effects import Effect, MetricDelta, ReconcileNeeded
from watcher.model.errors import Reason, RecordError, TemporaryError
from watcher.model.identity import identity
from watcher.model.metric_rows import MetricRow
from watcher.model.registry import Registry
from watcher.model.row_state import RowStates

Lanes = Mapping[tuple[str, int], Lane]
Functions = tuple[Callable[[ChangeEvent[Any]], Iterable[Effect]], ...]


@dataclass(slots=True)
class Taken:
    """What one poll came to, beside the rows that its lanes gathered."""

    states: RowStates = field(default_factory=RowStates)
    letters: list[DeadLetter] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)
    """Good records and the dead letter that followed them, for the limit."""
    consumed: Counter[tuple[str, str]] = field(default_factory=Counter)
    ignored: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    reconcile: set[ReconcileNeeded] = field(default_factory=set)
    newest: dict[str, int] = field(default_factory=dict)
    """Commit time of the newest change, in milliseconds since 1970, by table."""
    oldest: dict[str, int] = field(default_factory=dict)
    """Likewise of the oldest."""
    heartbeat: bool = False
    rows: int = 0
    """Rows that were gathered."""
    waiting: TemporaryError | None = None
    """Why the first record not taken has to wait."""


class Ingest:
    """Decodes records and runs their handlers.

    Args:
        registry: tables and handlers.
        decoder: knows the tables' row types.
    """

    def __init__(self, registry: Registry, decoder: Decoder) -> None:
        self._decoder = decoder
        self._routes: dict[str, dict[Operation, Functions]] = {
            table.name: {
                operation: tuple(handler.function for handler in table.answering(operation)) for operation in Operation
            }
            for table in registry
        }

    def take(self, messages: Sequence[Message], lanes: Lanes, now: float, first: int = 0) -> tuple[Taken, int]:
        """Take records, in order.

        Args:
            messages: a poll's records.
            lanes: the assigned partitions; records of others are somebody else's by now.
            now: seconds of the engine's clock.
            first: index of the record to begin with.

        Returns:
            what they came to, and the index of the first record not taken. There is one when a lane's rows have to be
            taken from it first, or when the schema registry is away; then take the same records again from there.

        Raises:
            OffsetWentBackError: a record was delivered before.
        """
        taken = Taken()
        good = 0
        for at in range(first, len(messages)):
            message = messages[at]
            lane = lanes.get((message.topic(), message.partition()))  # type: ignore[arg-type]
            if lane is None or lane.lost:
                continue
            offset = message.offset()
            if offset >= lane.cut:  # type: ignore[operator]
                lane.progress.nothing_before(lane.cut)
                break
            try:
                self._one(message, lane, taken, now)
            except RecordError as error:
                if error.reason is not Reason.HANDLER:  # whose event was counted when it was decoded
                    taken.consumed[error.table, error.op] += 1
                taken.letters.append(dead_letter(message, error))
                taken.runs.append((good, 1))
                good = 0
            except TemporaryError as error:
                taken.waiting = error
                break
            else:
                good += 1
            lane.progress.deliver(offset)  # type: ignore[arg-type]
        else:
            at = len(messages)
        if good:
            taken.runs.append((good, 0))
        return taken, at

    def _one(self, message: Message, lane: Lane, taken: Taken, now: float) -> None:
        gathered = lane.gathered
        if not gathered.since:
            gathered.since = now
        event = self._decoder.decode(message.topic(), message.value())  # type: ignore[arg-type]
        if type(event) is Skip:
            taken.consumed["", ""] += 1
            taken.ignored["", event.reason] += 1
            taken.heartbeat = taken.heartbeat or event.reason == HEARTBEAT
            return
        source, op = event.source, event.op  # type: ignore[union-attr]
        table, lsn, committed = source.table, source.lsn, source.ts_ms
        taken.consumed[table, op] += 1
        functions = self._routes[table][op]
        if not functions:
            taken.ignored[table, "operation"] += 1
            return
        try:
            effects = [effect for function in functions for effect in function(event)]  # type: ignore[arg-type]
        except Exception as error:
            raise RecordError(Reason.HANDLER, f"{type(error).__name__}: {error}", table, op) from error
        who: bytes | None = None
        index = key = 0
        for effect in effects:
            if type(effect) is MetricDelta:
                if who is None:
                    key = event.row.id  # type: ignore[union-attr]
                    who = identity(table, key, op, lsn, source.committed_us)
                    if who in gathered.identities:
                        taken.repeated[table] += 1
                        break
                    gathered.identities.add(who)
                    if committed < gathered.oldest.get(table, committed + 1):
                        gathered.oldest[table] = committed
                gathered.rows.append(
                    MetricRow(
                        effect.entity_type,
                        effect.entity_id,
                        effect.user_id,
                        effect.metric_type,
                        effect.value,
                        committed,
                        table,
                        key,
                        lsn,
                        who,
                        index,
                    )
                )
                index += 1
            elif type(effect) is ReconcileNeeded:
                taken.reconcile.add(effect)
            else:
                taken.states.add(lsn, effect)  # type: ignore[arg-type]
        taken.rows += index
        gathered.applied[table, op] += 1
        if committed > taken.newest.get(table, committed - 1):
            taken.newest[table] = committed
        if committed < taken.oldest.get(table, committed + 1):
            taken.oldest[table] = committed


def dead_letter(message: Message, error: RecordError) -> DeadLetter:
    """The letter of a refused record."""
    return DeadLetter(
        position=Position(message.topic() or "", message.partition() or 0, message.offset() or 0),
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value)) for name, value in message.headers() or ()),
        timestamp_ms=max(message.timestamp()[1], 0),
        error=error,
        table=error.table,
    )


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
