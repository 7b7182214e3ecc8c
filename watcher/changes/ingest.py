"""Turns records into rows for each partition, row states for each crucible, and dead letters.

This is the only code that runs once an event, so it is written for speed. Records of one partition are a *run*; changes
of one table in it that are answered and packed are a *stretch*, which one loop without a call of ours per event takes
(:meth:`_Run.stretch`). Whatever else comes, once in many records, ends the stretch and is seen to beside it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from watcher.changes.lane import NO_CUT, Lane
from watcher.changes.taken import Taken
from watcher.decode.decoder import Decoded, Decoder, Skip
from watcher.model.change import ChangeEvent, Operation, Position
from watcher.model.effects import Effect, MetricDelta, Packed
from watcher.model.errors import Reason, RecordError, TemporaryError
from watcher.model.extent import lsn_text
from watcher.model.identity import Digested, digest, digested
from watcher.model.key_change import KeyChange, new_key
from watcher.model.metric_row import Packs, packs_of
from watcher.model.registry import Registry, Table
from watcher.model.stream import Partition, Record


class OperationHandlers(NamedTuple):
    """The handlers of the changes of one table and operation, ready to be called."""

    functions: tuple[Callable[[ChangeEvent[Any]], Iterable[Effect]], ...]
    """The handlers."""
    digested: Digested
    """What such a change's identity is the digest of."""


class Answers(NamedTuple):
    """The handlers of the changes of one table, by operation, and the operations that it ignores."""

    table: str
    """Changes are counted under this text: of equal ones, each that is not the same object is hashed anew."""
    packs: Packs
    by_operation: Mapping[Operation, OperationHandlers]

    @classmethod
    def of(cls, table: Table[Any]) -> "Answers":
        """Return the answers to the changes of a table: its handlers, by operation."""
        return cls(
            table.name,
            packs_of(table.name),
            {
                operation: OperationHandlers(
                    tuple(handler.function for handler in table.answering(operation)),
                    digested(table.name, operation.value),
                )
                for operation in Operation
                if table.answering(operation)
            },
        )


NOBODY: Final = Answers("", {}, {})
"""Stands in the place of a table before the first change."""
_Other = ChangeEvent[Any] | RecordError | TemporaryError
"""What ends a stretch: a change that is of another table or that nothing answers, or an error."""


class Ingest:
    """Decodes records and runs their handlers.

    Args:
        registry: tables and handlers.
        decoder: knows the tables' row types.
    """

    def __init__(self, registry: Registry, decoder: Decoder) -> None:
        self._decode, self._decode_one = decoder.decode_run, decoder.decode
        self._answers = {table.name: Answers.of(table) for table in registry}
        self._topics = {table.topic: table.name for table in registry}

    def take(
        self, records: Sequence[Record], lanes: Mapping[Partition, Lane], now: float, first: int = 0
    ) -> tuple[Taken, int]:
        """Take the records of a poll in their order, and return what they came to.

        Args:
            records: a poll's records.
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
        at, end = first, len(records)
        while at < end:
            topic, partition = records[at].topic(), records[at].partition()
            after = at + 1
            while after < end and records[after].partition() == partition and records[after].topic() == topic:
                after += 1
            lane = lanes.get((topic, partition))  # type: ignore[arg-type]
            if lane is not None and not lane.lost:
                some = records[at:after] if lane.cut == NO_CUT else _before(records[at:after], lane.cut)
                done = self._take_run(some, lane, taken, now)
                if done < after - at:
                    if done == len(some):  # what lies beyond the plan was seen, so the plan has no more records
                        lane.progress.nothing_before(lane.cut)
                    return taken, at + done
            at = after
        return taken, end

    def _take_run(self, records: Sequence[Record], lane: Lane, taken: Taken, now: float) -> int:
        """Take records of one partition; return how many of them were taken."""
        if not records:
            return 0
        lane.gathered.since = lane.gathered.since or now
        run = _Run(records, lane, taken, self._answers, self._topics.get(lane.topic, ""))
        run.take(self._decode(lane.topic, map(type(records[0]).value, records)))
        done = run.finish()
        if run.deletes:
            taken.key_changes += filter(None, (self._key_change(records[at]) for at in run.deletes))
        if done:
            lane.progress.deliver(_offset(records[0]))
            lane.progress.nothing_before(_offset(records[done - 1]) + 1)
        return done

    def _key_change(self, record: Record) -> KeyChange | None:
        """Return the key change whose delete this is, if its create would be counted."""
        key = new_key(record.headers())
        topic, value = record.topic() or "", record.value()
        if key is None or value is None:
            return None
        event = self._decode_one(topic, value)
        if not isinstance(event, ChangeEvent) or event.before is None or event.op is not Operation.DELETE:
            return None
        source = event.source
        answer = self._answers[source.table].by_operation.get(Operation.CREATE)
        if answer is None:
            return None
        create = ChangeEvent(Operation.CREATE, source, None, msgspec.structs.replace(event.before, id=key))
        if not any(type(effect) is MetricDelta for function in answer.functions for effect in function(create)):
            return None
        identity = digest(answer.digested(key, source.lsn, source.ts_us or source.ts_ms * 1000))
        position = Position(topic, record.partition() or 0, _offset(record))
        place = f"{position} LSN {lsn_text(source.lsn)} key {event.before.id} to {key}"
        return KeyChange(source.table, topic, identity, source.lsn, place)


class _Run:
    """Records of one partition on their way into rows, states and letters.

    Args:
        records: as they came.
        lane: their partition; gathers the rows.
        taken: gathers everything else.
        answers: of each table.
        usual: the table whose changes the topic usually brings; empty: nobody knows.
    """

    __slots__ = (
        "_all_answers", "_answers", "_committed", "_counted", "_gathered", "_lsn", "_operations", "_packed", "_records",
        "_refused", "_taken", "_usual", "deletes",
    )  # fmt: skip

    def __init__(
        self, records: Sequence[Record], lane: Lane, taken: Taken, answers: Mapping[str, Answers], usual: str
    ) -> None:
        self._usual = usual
        self.deletes: Sequence[int] = ()
        """Which of the records are deletes, or may be, once it is finished."""
        self._records, self._gathered, self._taken, self._all_answers = records, lane.gathered, taken, answers
        self._answers = NOBODY
        self._operations: list[Operation | None] = []
        """Of each record that was taken the operation of its change; None if none was applied."""
        self._counted = 0
        """How many of them belong to tables that came before the current one, and are counted."""
        self._refused = 0
        """Records up to the last one that was refused."""
        self._committed = 0
        """Time of the last change, in milliseconds since 1970."""
        self._lsn = 0
        """Its place in the log."""
        self._packed: list[Packed] = []
        """Effects that are no rows, in the order in which they are to be kept."""

    def take(self, events: Iterator[Decoded]) -> None:
        """Take the changes that were decoded, up to one that has to wait."""
        while (event := self.stretch(events)) is not None:
            rest = self._of_another_table(event) if isinstance(event, ChangeEvent) else event
            if isinstance(rest, TemporaryError):
                self._taken.waiting = rest
                return
            if rest is not None:
                self._set_aside(rest)

    def stretch(self, events: Iterable[Decoded]) -> _Other | None:
        """Apply changes of the current table; return the first event that is something else, or None at the end.

        What is no change is passed over. A change whose handler fails, or asks for what is no row, leaves nothing
        behind; its error stands in its place.
        """
        table, packs, by_operation = self._answers
        lsn = self._lsn
        gathered, taken, committed = self._gathered, self._taken, self._committed
        rows, identities = gathered.rows, gathered.identities
        packed, lsns, times = rows.packed, rows.lsns, rows.times
        others, keep, applied = self._packed, self._packed.append, self._operations.append
        other: _Other | None = None
        for event in events:
            if (
                type(event) is not ChangeEvent
                or (source := event.source).table != table
                or (answer := by_operation.get(event.op)) is None
            ):
                if isinstance(event, Skip):
                    taken.skip(event.reason)
                    applied(None)
                    continue
                other = event
                break
            lsn, committed = source.lsn, source.ts_ms
            identity, index, packed_before, kept_before = None, 0, len(packed), len(others)
            try:
                for function in answer.functions:
                    for effect in function(event):
                        if type(effect) is not MetricDelta:
                            keep(effect.pack(lsn, taken))
                            continue
                        if identity is None:
                            key = (event.after or event.before).id  # type: ignore[union-attr]
                            identity = digest(answer.digested(key, lsn, source.ts_us or committed * 1000))
                            if identity in identities:  # a repeat: its states are shown as they were
                                taken.repeated[table] += 1
                                break
                            identities.add(identity)
                            lsns.append(lsn)
                            times.append(committed)
                        packed += packs[effect.entity_type][effect.metric_type](
                            effect.entity_id, effect.user_id, effect.value, committed, key, lsn, identity, index
                        )
                        index += 1
                    else:
                        continue
                    break
            except Exception as error:  # noqa: BLE001 - a handler that fails, or asks for no row, costs that record
                del packed[packed_before:], others[kept_before:]
                identities.discard(identity)
                other = RecordError(Reason.HANDLER, f"{type(error).__name__}: {error}", table, event.op)
                break
            rows.count += index
            applied(event.op)
        self._committed, self._lsn = committed, lsn
        return other

    def finish(self) -> int:
        """Keep what was packed, count what was applied, and return how many records were taken."""
        for whole, part in self._packed:
            whole.extend(part)
        done = len(self._operations)
        if done > self._refused:
            self._taken.runs.append((done - self._refused, 0))
        self._close_table()
        if Operation.DELETE in self._operations:
            self.deletes = [at for at, operation in enumerate(self._operations) if operation is Operation.DELETE]
        return done

    def _close_table(self) -> None:
        """Count what was applied of the current table, and note when its last change was committed.

        Changes come in the order of their commits, but for a few; the time serves a gauge.
        """
        if self._answers is NOBODY:
            return
        table, operations = self._answers.table, self._operations[self._counted :]
        self._counted += len(operations)
        counts = {(table, one): times for one, times in Counter(operations).items() if one is not None}
        self._taken.consumed.update(counts)
        self._gathered.applied.update(counts)
        self._taken.newest[table] = self._committed
        self._taken.farthest = max(self._taken.farthest, (self._committed, self._lsn))

    def _of_another_table(self, event: ChangeEvent[Any]) -> _Other | None:
        """Apply a change and go on with its table; return its error, or itself if nothing answers it, else None."""
        source = event.source
        if source.table != self._answers.table:
            self._close_table()
            self._answers = self._all_answers[source.table]
            self._taken.oldest.setdefault(source.table, source.ts_ms)
            self._gathered.oldest.setdefault(source.table, source.ts_ms)
        return self.stretch((event,))

    def _set_aside(self, event: ChangeEvent[Any] | RecordError) -> None:
        """Count a record that leaves nothing: an ignored change, or a dead letter."""
        at = len(self._operations)
        self._operations.append(None)
        if isinstance(event, RecordError):
            self._taken.refuse(self._records[at], event, at - self._refused, self._answers.table or self._usual)
            self._refused = at + 1
        else:
            self._committed = event.source.ts_ms
            self._taken.ignore((self._answers.table, event.op))


def _before(records: Sequence[Record], cut: int) -> Sequence[Record]:
    """Return the records before an offset; they come in the order of their offsets."""
    return records[: bisect_left(records, cut, key=_offset)]


def _offset(record: Record) -> int:
    offset = record.offset()
    return -1 if offset is None else offset
