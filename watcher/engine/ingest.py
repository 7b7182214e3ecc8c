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
from watcher.engine.lane import Gathered, Lane
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
    """Commit time of the last change, in milliseconds since 1970, by table."""
    oldest: dict[str, int] = field(default_factory=dict)
    """Likewise of the first."""
    heartbeat: bool = False
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
        self._routes: dict[tuple[str, Operation], Functions] = {
            (table.name, operation): tuple(handler.function for handler in table.answering(operation))
            for table in registry
            for operation in Operation
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
        self._change(event, gathered, taken)  # type: ignore[arg-type]

    def _change(self, event: ChangeEvent[Any], gathered: Gathered, taken: Taken) -> None:
        source = event.source
        table = source.table
        kind = (table, event.op)
        taken.consumed[kind] += 1
        functions = self._routes[kind]
        if not functions:
            taken.ignored[table, "operation"] += 1
            return
        try:
            effects = [effect for function in functions for effect in function(event)]
        except Exception as error:
            raise RecordError(Reason.HANDLER, f"{type(error).__name__}: {error}", *kind) from error
        gathered.applied[kind] += 1
        taken.newest[table] = source.ts_ms  # commits come in order, but for a few; these two serve gauges
        if table not in taken.oldest:
            taken.oldest[table] = source.ts_ms
        deltas = []
        for effect in effects:
            if type(effect) is MetricDelta:
                deltas.append(effect)
            elif type(effect) is ReconcileNeeded:
                taken.reconcile.add(effect)
            else:
                taken.states.add(source.lsn, effect)  # type: ignore[arg-type]
        if deltas:
            self._gather(event, deltas, gathered, taken)

    def _gather(self, event: ChangeEvent[Any], deltas: list[MetricDelta], gathered: Gathered, taken: Taken) -> None:
        source = event.source
        table, lsn, committed = source.table, source.lsn, source.ts_ms
        key = event.row.id
        who = identity(table, key, event.op, lsn, source.committed_us)
        if who in gathered.identities:
            taken.repeated[table] += 1
            return
        gathered.identities.add(who)
        if table not in gathered.oldest:
            gathered.oldest[table] = committed
        rows = gathered.rows
        for index, delta in enumerate(deltas):
            # The constructor of a named tuple costs three times as much, and this runs once a row.
            row = (
                delta.entity_type,
                delta.entity_id,
                delta.user_id,
                delta.metric_type,
                delta.value,
                committed,
                table,
                key,
                lsn,
                who,
                index,
            )
            rows.append(tuple.__new__(MetricRow, row))


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
