"""Decodes a Kafka record's bytes to a typed change event; each record tells by itself what it is.

A value that begins with a zero byte is Confluent Avro, anything else is JSON; JSON may be bare or wrapped in Kafka
Connect's schema envelope (``{"schema": ..., "payload": ...}``). The record's own ``source.table`` says which table it
is of, because topic names are the operator's choice.
"""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final, Never

import msgspec

from watcher.decode.avro import AvroReader
from watcher.decode.table_decoder import TableDecoder, complete
from watcher.model.change import SITE_SCHEMA, ChangeEvent, Operation
from watcher.model.errors import Reason, RecordError, TemporaryError
from watcher.model.registry import Registry

AVRO_MAGIC = 0

TOMBSTONE = "tombstone"
HEARTBEAT = "heartbeat"
TRANSACTION = "transaction"
MESSAGE = "operation"

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are no JSON, no UTF-8, or nested a few thousand deep; validation is one of them."""


_NOT_SHORT = (*_UNREADABLE, TypeError)
"""What a decoder raises of a value that is not a change of its table in bare JSON, a tombstone among them."""


class Skip(msgspec.Struct, frozen=True):
    """A record that tells of no row, as it should."""

    reason: str


_TOMBSTONE: Final = Skip(TOMBSTONE)


class _SourceOutline(msgspec.Struct):
    table: str | None = None
    schema: Any = SITE_SCHEMA
    lsn: Any = None
    snapshot: Any = None
    sequence: Any = None

    @property
    def stream_position(self) -> int | None:
        """Return how far the stream was when an incremental snapshot read the row, which has no log position itself.

        The row was not changed between that snapshot's two watermarks, else the change would stand in its place. So
        it is the row as of the second one, and that is the latest position in ``sequence``.
        """
        if self.lsn is not None or self.snapshot != "incremental":
            return None
        try:
            return max(int(position) for position in msgspec.json.decode(self.sequence) if position is not None)
        except (msgspec.DecodeError, TypeError, ValueError):
            return None


_BEAT: Final = frozenset({"ts_ms"})
"""All that a heartbeat has. A row that somebody has taken out of its envelope may have a time as well, and more."""
_BEAT_TOPICS: Final = "__debezium-heartbeat."
"""Beginning of the names of Debezium's heartbeat topics, unless the connector says otherwise."""
_BOUNDARY: Final = frozenset({"status", "id", "event_count", "data_collections", "ts_ms"})
"""All that a transaction's beginning and end have."""
_WRAPPER: Final = frozenset({"schema", "payload"})
"""What Kafka Connect's schema envelope is made of."""


class _Outline(msgspec.Struct):
    """The least that tells what a value is, once it proved not to be a change of the expected table."""

    payload: msgspec.Raw = msgspec.Raw()
    op: Any = None
    source: _SourceOutline | None = None
    status: Any = None
    id: Any = None
    ts_ms: Any = None
    message: Any = None


Decoded = ChangeEvent[Any] | Skip | RecordError | TemporaryError
"""What one record of many came to."""


class Decoder:
    """Decodes records of every table of a registry.

    Args:
        registry: the tables and their row types.
        avro: reads Avro values; None when no schema registry is configured.
        heartbeat_topic: where heartbeats come from, besides topics with Debezium's own name for them.
    """

    def __init__(self, registry: Registry, avro: AvroReader | None, heartbeat_topic: str = "") -> None:
        self._avro, self._heartbeat_topic = avro, heartbeat_topic
        self._tables = {table.name: TableDecoder(table) for table in registry}
        self._outline = msgspec.json.Decoder(_Outline)
        self._expected: dict[str, TableDecoder] = {}

    def decode(self, topic: str, value: bytes | None) -> ChangeEvent[Any] | Skip:
        """Return what one record means.

        Args:
            topic: where it came from; only a hint at what was found there last.
            value: the record's value; None for a tombstone.

        Raises:
            RecordError: the value cannot be used, with the reason.
            TemporaryError: the schema registry is away.
        """
        if not value:
            return _TOMBSTONE
        if value[0] == AVRO_MAGIC:
            return self._from_avro(topic, value)
        expected = self._expected.get(topic)
        if expected is not None:
            try:
                event = expected.decode(value)
            except _UNREADABLE:
                pass  # told apart below, where it costs nothing to the many
            else:
                if expected.owns(event.source):
                    return complete(event)
        return self._told_apart(topic, value)

    def decode_run(self, topic: str, values: Iterable[bytes | None]) -> Iterator[Decoded]:
        """Yield what many records of one topic mean, each as ``decode`` has it; errors stand in their records' places.

        Nearly all are changes of one table in JSON, and those take the short way.

        Args:
            topic: where they came from.
            values: the records' values.

        Returns:
            as many as there are values; fewer when the schema registry is away, and then the last says so.
        """
        schema, name, decode = self._short_way(topic)
        for value in values:
            if not value:
                yield _TOMBSTONE
                continue
            try:
                event = decode(value)
                source = event.source
                if source.table == name and source.schema == schema:
                    if event.after is None or (event.before is None and event.op is Operation.UPDATE):
                        complete(event)
                    yield event
                    continue
            except RecordError as error:
                yield error
                continue
            except _NOT_SHORT:
                pass
            try:
                yield self.decode(topic, value)
            except RecordError as error:
                yield error
            except TemporaryError as error:
                yield error
                break
            schema, name, decode = self._short_way(topic)

    def _short_way(self, topic: str) -> tuple[str, str, Callable[[Any], ChangeEvent[Any]]]:
        """Return schema and table of the topic's last change in bare JSON, and what decodes such a one at once."""
        expected = self._expected.get(topic)
        if expected is None:
            return "", "", _no_short_way
        return expected.table.schema, expected.table.name, expected.decode

    def _told_apart(self, topic: str, value: bytes) -> ChangeEvent[Any] | Skip:
        try:
            outline = self._outline.decode(value)
            wrapped = bytes(outline.payload)
            if wrapped == b"null" and _names(value) <= _WRAPPER:
                return _TOMBSTONE
            if wrapped:
                value, outline = wrapped, self._outline.decode(wrapped)
            table = self._table(topic, outline, partial(_names, value))
        except msgspec.ValidationError as error:
            raise RecordError(Reason.NOT_AN_ENVELOPE, str(error)) from error
        except _UNREADABLE as error:
            raise RecordError(Reason.NOT_JSON, str(error)) from error
        if isinstance(table, Skip):
            return table
        if not wrapped:
            self._expected[topic] = table
        try:
            if outline.source and outline.source.stream_position is not None:
                return complete(_placed(msgspec.json.decode(value), outline.source, table))
            return complete(table.decode(value))
        except msgspec.ValidationError as error:
            raise _bad(error, outline.op, table.table.name) from error
        except _UNREADABLE as error:  # in a text that the outline passed over
            raise RecordError(Reason.NOT_JSON, str(error), table.table.name) from error

    def _from_avro(self, topic: str, value: bytes) -> ChangeEvent[Any] | Skip:
        if self._avro is None:
            raise RecordError(
                Reason.UNKNOWN_SCHEMA, "the value is Avro, and registry.url is not set: name the schema registry"
            )
        record = self._avro.read(value)
        try:
            outline = msgspec.convert(record, _Outline)
        except msgspec.ValidationError as error:
            raise RecordError(Reason.NOT_AN_ENVELOPE, str(error)) from error
        table = self._table(topic, outline, record.keys)
        if isinstance(table, Skip):
            return table
        try:
            if outline.source and outline.source.stream_position is not None:
                return complete(_placed(record, outline.source, table))
            return table.filled(complete(msgspec.convert(record, table.type)))
        except msgspec.ValidationError as error:
            raise _bad(error, outline.op, table.table.name) from error

    def _table(self, topic: str, outline: _Outline, names: Callable[[], AbstractSet[str]]) -> TableDecoder | Skip:
        if outline.op is None:
            has = names()
            if has == _BOUNDARY and outline.status in ("BEGIN", "END"):
                return Skip(TRANSACTION)
            if has == _BEAT and (topic == self._heartbeat_topic or topic.startswith(_BEAT_TOPICS)):
                return Skip(HEARTBEAT)
            raise RecordError(
                Reason.NOT_AN_ENVELOPE,
                "expected a Debezium envelope with `op` and `source`; is there a transformation that takes rows out of "
                "their envelopes (ExtractNewRecordState)?",
            )
        if outline.op == Operation.MESSAGE and outline.message is not None:
            return Skip(MESSAGE)
        name = outline.source.table if outline.source else None
        table = self._tables.get(name or "")
        if table is None:
            known = ", ".join(sorted(self._tables))
            raise RecordError(Reason.UNKNOWN_TABLE, f"source.table is {name!r}, handlers exist for {known}")
        if outline.source and outline.source.schema != table.table.schema:
            raise RecordError(
                Reason.UNKNOWN_TABLE,
                f"source.schema is {outline.source.schema!r}, the handlers of {name} are for {table.table.qualified}; "
                "take the other one out of table.include.list",
            )
        return table


def _names(value: bytes) -> AbstractSet[str]:
    """Return the names of all that a JSON object has; none of anything else."""
    found = msgspec.json.decode(value)
    return found.keys() if isinstance(found, dict) else frozenset()


def _no_short_way(_: Any) -> Never:
    raise TypeError


def _placed(record: Any, source: _SourceOutline, table: TableDecoder) -> ChangeEvent[Any]:
    """Return the event of a row that an incremental snapshot read, placed where the stream was."""
    record["source"]["lsn"] = source.stream_position
    event: ChangeEvent[Any] = msgspec.convert(record, table.type)
    return event


def _bad(error: msgspec.ValidationError, op: Any, table: str) -> RecordError:
    text = str(error)
    if "$.before" in text:
        reason, text = Reason.INCOMPLETE_ROW, f"{text}; is REPLICA IDENTITY FULL set on the table?"
    elif "$.after" in text:
        reason = Reason.BAD_ROW
    elif "$.op" in text:
        reason, text = Reason.UNKNOWN_OPERATION, f"{op!r}: {text}"
    else:
        reason = Reason.BAD_SOURCE
    return RecordError(reason, text, table, op if isinstance(op, str) and op in set(Operation) else "")
