"""From records to what they come to: rows gathered per partition, row states per crucible, dead letters.

This is the only code that runs once an event, so it is written for speed: one loop, no layers, and each lookup that
can be made per batch is.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from watcher.changes.lane import NO_CUT, Lane
from watcher.decode.decoder import HEARTBEAT, Decoder, Skip
from watcher.model.change import ChangeEvent, Operation, Position
from watcher.model.dead_letter import DeadLetter
from watcher.model.effects import (
    CrucibleGone,
    CrucibleState,
    Effect,
    EntryGone,
    EntryState,
    MetricDelta,
    ReconcileNeeded,
)
from watcher.model.errors import Reason, RecordError, TemporaryError
from watcher.model.identity import Digested, digest, digested
from watcher.model.metric_row import Packs, packs_of
from watcher.model.registry import Registry
from watcher.model.row_state import RowStates, packed_crucible, packed_entry
from watcher.model.stream import Record

Lanes = Mapping[tuple[str, int], Lane]
Kind = tuple[str, str]
"""Table and operation."""


class Route(NamedTuple):
    """Where changes of one table and operation go."""

    functions: tuple[Callable[[ChangeEvent[Any]], Iterable[Effect]], ...]
    """The handlers."""
    digested: Digested
    """What such a change's identity is the digest of."""


_NO_ROUTES: dict[Operation, Route] = {}
_NO_PACKS: Packs = {}


@dataclass(slots=True)
class Taken:
    """What one poll came to, beside the rows that its lanes gathered."""

    states: RowStates = field(default_factory=RowStates)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)
    """Good records and the dead letters that followed them, for the limit."""
    consumed: Counter[Kind] = field(default_factory=Counter)
    ignored: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    reconcile: list[ReconcileNeeded] = field(default_factory=list)
    newest: dict[str, int] = field(default_factory=dict)
    """Commit time of the last change, in milliseconds since 1970, by table."""
    oldest: dict[str, int] = field(default_factory=dict)
    """Likewise of the first."""
    heartbeat: bool = False
    waiting: TemporaryError | None = None
    """Why the first record not taken has to wait."""

    def skip(self, reason: str) -> None:
        """A record that says nothing of a row."""
        self.consumed["", ""] += 1
        self.ignored["", reason] += 1
        self.heartbeat = self.heartbeat or reason == HEARTBEAT

    def refuse(self, message: Record, error: RecordError, good: int) -> None:
        """A record that cannot be used, after so many that can."""
        self.consumed[error.table, error.op] += 1
        self.dead_letters.append(dead_letter(message, error))
        self.runs.append((good, 1))


class Ingest:
    """Decodes records and runs their handlers.

    Args:
        registry: tables and handlers.
        decoder: knows the tables' row types.
    """

    def __init__(self, registry: Registry, decoder: Decoder) -> None:
        self._decode = decoder.decode_run
        self._routes: dict[str, tuple[str, Packs, dict[Operation, Route]]] = {
            table.name: (
                table.name,  # counted under this one: of equal strings, each that is not the same one is hashed anew
                packs_of(table.name),
                {
                    operation: Route(
                        tuple(handler.function for handler in table.answering(operation)),
                        digested(table.name, operation.value),
                    )
                    for operation in Operation
                    if table.answering(operation)
                },
            )
            for table in registry
        }

    def take(self, messages: Sequence[Record], lanes: Lanes, now: float, first: int = 0) -> tuple[Taken, int]:
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
        at, end = first, len(messages)
        while at < end:
            topic, partition = messages[at].topic(), messages[at].partition()
            after = at + 1
            while after < end and messages[after].partition() == partition and messages[after].topic() == topic:
                after += 1
            lane = lanes.get((topic, partition))  # type: ignore[arg-type]
            if lane is not None and not lane.lost:
                run = messages[at:after] if lane.cut == NO_CUT else _before(messages[at:after], lane.cut)
                done = self._run(run, lane, taken, now)
                if done < after - at:
                    if done == len(run):  # what lies beyond the plan was seen, so the plan has no more records
                        lane.progress.nothing_before(lane.cut)
                    return taken, at + done
            at = after
        return taken, end

    def _run(  # noqa: C901, PLR0912, PLR0915 - a call for each case would cost as much as the case
        self, run: Sequence[Record], lane: Lane, taken: Taken, now: float
    ) -> int:
        """Take records of one partition; returns how many of them were taken."""
        gathered = lane.gathered
        gathered.since = gathered.since or now
        rows, identities, states = gathered.rows, gathered.identities, taken.states
        packed, lsns, times = rows.packed, rows.lsns, rows.times
        applied: dict[str, list[Operation]] = {}  # operations by table; counted once a run
        table, packs, routes = "", _NO_PACKS, _NO_ROUTES
        done = refused = committed = 0  # records taken; records up to the last refused one; time of the last change
        for event in self._decode(lane.topic, map(type(run[0]).value, run)):
            if type(event) is ChangeEvent:
                source = event.source
                if source.table != table:
                    if table:
                        taken.newest[table] = committed
                    table, packs, routes = self._routes[source.table]
                    operations = applied.setdefault(table, [])
                    taken.oldest.setdefault(table, source.ts_ms)
                    gathered.oldest.setdefault(table, source.ts_ms)
                lsn, committed = source.lsn, source.ts_ms
                route = routes.get(event.op)
                if route is None:
                    taken.consumed[table, event.op] += 1
                    taken.ignored[table, "operation"] += 1
                    done += 1
                    continue
                # Nothing of a record is kept before all of it could be packed.
                shown: list[tuple[bytearray | list[Any], bytes | list[Any]]] = []
                who, index, begun = None, 0, len(packed)
                try:
                    for function in route.functions:
                        for effect in function(event):
                            if type(effect) is MetricDelta:
                                if who is None:
                                    key = (event.after or event.before).id  # type: ignore[union-attr]
                                    who = digest(route.digested(key, lsn, source.ts_us or committed * 1000))
                                    if who in identities:  # a repeat: its states are shown as they were
                                        taken.repeated[table] += 1
                                        who = None  # the first one's, whatever becomes of this one
                                        break
                                    identities.add(who)
                                    lsns.append(lsn)
                                    times.append(committed)
                                packed += packs[effect.entity_type][effect.metric_type](
                                    effect.entity_id, effect.user_id, effect.value, committed, key, lsn, who, index
                                )
                                index += 1
                            elif type(effect) is EntryState:
                                state = packed_entry(
                                    lsn, effect.entry_id, effect.user_id, effect.image_id, effect.created_at, 1
                                )
                                shown.append((states[effect.crucible_id].entries, state))
                            elif type(effect) is EntryGone:
                                state = packed_entry(lsn, effect.entry_id, 0, 0, 0, 0)
                                shown.append((states[effect.crucible_id].entries, state))
                            elif type(effect) is ReconcileNeeded:
                                shown.append((taken.reconcile, [effect]))
                            else:
                                own = cast("CrucibleState | CrucibleGone", effect)
                                shown.append((states[own.crucible_id].crucible, [packed_crucible(lsn, own)]))
                        else:
                            continue
                        break
                except Exception as error:  # noqa: BLE001 - a handler that fails, or asks for no row, costs that record
                    del packed[begun:]
                    identities.discard(who)
                    detail = f"{type(error).__name__}: {error}"
                    taken.refuse(run[done], RecordError(Reason.HANDLER, detail, table, event.op), done - refused)
                    done = refused = done + 1
                    continue
                for whole, part in shown:
                    whole.extend(part)
                rows.count += index
                operations.append(event.op)
            elif type(event) is Skip:
                taken.skip(event.reason)
            elif isinstance(event, RecordError):
                taken.refuse(run[done], event, done - refused)
                refused = done + 1
            else:
                taken.waiting = cast("TemporaryError", event)
                break
            done += 1
        if done:
            lane.progress.deliver(_offset(run[0]))
            lane.progress.nothing_before(_offset(run[done - 1]) + 1)
        if done > refused:
            taken.runs.append((done - refused, 0))
        if table:
            taken.newest[table] = committed  # commits come in order, but for a few; this serves a gauge
        for name, operations in applied.items():
            counts = {(name, operation): count for operation, count in Counter(operations).items()}
            taken.consumed.update(counts)
            gathered.applied.update(counts)
        return done


def _before(run: Sequence[Record], cut: int) -> Sequence[Record]:
    """The records before an offset; they come in the order of their offsets."""
    return run[: bisect_left(run, cut, key=_offset)]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _offset(message: Record) -> int:
    offset = message.offset()
    return -1 if offset is None else offset


def dead_letter(record: Record, error: RecordError) -> DeadLetter:
    """The letter of a refused record."""
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
