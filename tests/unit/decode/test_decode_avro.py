"""Avro as it goes over the wire: a captured record, its schemas served from memory."""

import json
from typing import Any

import fastavro
import pytest

from handlers import REGISTRY
from tests.capture.envelopes import load
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder, Skip
from watcher.model.change import ChangeEvent
from watcher.model.errors import Reason, RecordError, TemporaryError

RECORD = load("CrucibleEntry.create_avro")
VALUE = RECORD.value or b""
SCHEMA_ID = int.from_bytes(VALUE[1:5], "big")


class Memory:
    """A schema registry that holds texts, counts who asks, and may be away."""

    def __init__(self, texts: dict[int, str] | None = None) -> None:
        self.texts = {key: json.dumps(one) for key, one in RECORD.schemas.items()} if texts is None else texts
        self.asked: list[int] = []
        self.away = False

    def schema(self, schema_id: int) -> str:
        self.asked.append(schema_id)
        if self.away:
            raise TemporaryError("the registry is away")
        if schema_id not in self.texts:
            raise RecordError(Reason.UNKNOWN_SCHEMA, f"no schema {schema_id}")
        return self.texts[schema_id]


def decoder(memory: Memory | None = None) -> Decoder:
    return Decoder(REGISTRY, AvroReader(memory or Memory()))


def wire(schema: Any, content: Any, schema_id: int = 1) -> tuple[Memory, bytes]:
    """A record of a schema of the test's own."""
    import io

    buffer = io.BytesIO()
    buffer.write(b"\x00" + schema_id.to_bytes(4, "big"))
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), content)
    return Memory({schema_id: json.dumps(schema)}), buffer.getvalue()


def envelope(**source: Any) -> tuple[Memory, bytes]:
    """A small Debezium envelope of a CrucibleEntry, with fields of ``source`` changed."""
    numbers = [{"name": name, "type": "long"} for name in ("id", "crucibleId", "userId", "imageId", "createdAt")]
    row = {"type": "record", "name": "Value", "fields": numbers}
    text, number = ["null", "string"], ["null", "long"]
    kinds = {"table": text, "schema": text, "lsn": number, "ts_ms": number, "snapshot": text, "sequence": text}
    place = {"type": "record", "name": "Source", "fields": [{"name": key, "type": kind} for key, kind in kinds.items()]}
    fields = [
        {"name": "before", "type": ["null", row]},
        {"name": "after", "type": ["null", "Value"]},
        {"name": "source", "type": place},
        {"name": "op", "type": "string"},
    ]
    told = {
        "table": "CrucibleEntry",
        "schema": "public",
        "lsn": 5,
        "ts_ms": 6,
        "snapshot": "false",
        "sequence": None,
    } | source
    one = {"id": 1, "crucibleId": 2, "userId": 3, "imageId": 4, "createdAt": 5}
    return wire(
        {"type": "record", "name": "Envelope", "fields": fields},
        {"before": None, "after": one, "source": told, "op": "c"},
    )


def refusal(memory: Memory, value: bytes) -> RecordError:
    with pytest.raises(RecordError) as refused:
        decoder(memory).decode("t", value)
    return refused.value


def test_a_schema_is_asked_for_once() -> None:
    """An id's schema never changes, so a registry sees one question a schema and not one a record."""
    memory = Memory()
    reading = decoder(memory)

    events = [reading.decode("t", VALUE) for _ in range(3)]

    assert memory.asked == [SCHEMA_ID]
    assert events[0] == events[1] == events[2]


def test_an_unknown_schema_is_the_records_fault() -> None:
    """A registry that knows everything else and not this id has not been told of it: a dead letter, not a stop."""
    unknown = VALUE[:1] + (999).to_bytes(4, "big") + VALUE[5:]

    assert Reason.UNKNOWN_SCHEMA is refusal(Memory(), unknown).reason


def test_a_registry_that_is_away_is_not_the_records_fault() -> None:
    """The record waits, and is read when the registry is back."""
    memory = Memory()
    memory.away = True
    reading = decoder(memory)
    with pytest.raises(TemporaryError):
        reading.decode("t", VALUE)
    memory.away = False

    assert isinstance(reading.decode("t", VALUE), ChangeEvent)


@pytest.mark.parametrize("text", ["", "no schema", "[]", '{"type":"record"}', '{"type":"nonsense"}'])
def test_a_schema_that_is_none_is_the_records_fault(text: str) -> None:
    """A registry may hold anything under an id."""
    assert refusal(Memory({SCHEMA_ID: text}), VALUE).reason in {Reason.UNKNOWN_SCHEMA, Reason.NOT_AVRO}


def test_avro_cut_off_anywhere_is_refused() -> None:
    """No half of a record passes for a whole one."""
    reading = decoder()

    for length in range(1, len(VALUE)):
        with pytest.raises(RecordError) as refused:
            reading.decode("t", VALUE[:length])
        assert refused.value.reason is not Reason.HANDLER, length


def test_a_byte_wrong_anywhere_is_an_event_or_a_refusal() -> None:
    """Bytes of another meaning may decode to another row; what they never do is raise anything else."""
    reading = decoder()

    for at in range(5, len(VALUE)):
        for wrong in (0x00, 0x7F, 0xFF):
            value = VALUE[:at] + bytes([wrong]) + VALUE[at + 1 :]
            try:
                found = reading.decode("t", value)
            except RecordError:
                continue
            assert isinstance(found, ChangeEvent | Skip), (at, wrong)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"table": "NoSuchTableOfOurs"}, Reason.UNKNOWN_TABLE),
        ({"schema": "archive"}, Reason.UNKNOWN_TABLE),
        ({"table": None}, Reason.UNKNOWN_TABLE),
        ({"lsn": None}, Reason.BAD_SOURCE),
        ({"lsn": 2**53}, Reason.BAD_SOURCE),
        ({"ts_ms": 10**17}, Reason.BAD_SOURCE),
        ({"lsn": None, "snapshot": "incremental"}, Reason.BAD_SOURCE),
    ],
)
def test_a_bad_source_is_refused_as_in_json(source: dict[str, Any], reason: Reason) -> None:
    """The encoding makes no difference to what a record must say."""
    assert reason is refusal(*envelope(**source)).reason


def test_a_row_of_an_incremental_snapshot_stands_where_the_stream_was() -> None:
    """As in JSON: the latest position of its sequence."""
    memory, value = envelope(lsn=None, snapshot="incremental", sequence='[null,"77"]')

    event = decoder(memory).decode("t", value)

    assert isinstance(event, ChangeEvent)
    assert event.source.lsn == 77


def contest(*columns: str) -> tuple[Memory, bytes]:
    """The creation of a Crucible that leaves these columns, which may be null, to the schema's defaults."""
    kinds: dict[str, Any] = {"id": "long", "userId": "long", "name": "string", "status": "string", "nsfwLevel": "long"}
    fields: list[Any] = [{"name": name, "type": kind} for name, kind in kinds.items()]
    fields += [{"name": name, "type": ["null", "string"], "default": None} for name in columns]
    row = {"type": "record", "name": "Value", "fields": fields}
    numbers = [{"name": name, "type": "long"} for name in ("lsn", "ts_ms")]
    place = {"type": "record", "name": "Source", "fields": [{"name": "table", "type": "string"}, *numbers]}
    parts: dict[str, Any] = {"after": row, "source": place, "op": "string"}
    schema = {"type": "record", "name": "Envelope", "fields": [{"name": k, "type": v} for k, v in parts.items()]}
    one = {"id": 1, "userId": 2, "name": "n", "status": "Active", "nsfwLevel": 1}
    return wire(schema, {"after": one, "source": {"table": "Crucible", "lsn": 5, "ts_ms": 6}, "op": "c"})


def test_a_null_that_the_writer_left_out_is_read_and_a_column_that_its_schema_lacks_is_missed() -> None:
    """A default belongs to the writer's schema, so such a column is in every record; a renamed one is in none."""
    open_ones = ("startAt", "endAt", "judgeRequirements", "prizePositions")
    memory, value = contest(*open_ones)

    event = decoder(memory).decode("t", value)
    assert isinstance(event, ChangeEvent)
    assert event.after.end_at is None

    error = refusal(*contest(*(name for name in open_ones if name != "endAt"), "endsAt"))
    assert (error.reason, "`endAt`" in error.detail) == (Reason.BAD_ROW, True)


def test_a_record_that_is_no_envelope_is_refused() -> None:
    """A plain value of a proper schema is proper Avro, and no change."""
    assert Reason.NOT_AN_ENVELOPE is refusal(*wire("long", 7)).reason


@pytest.mark.parametrize(("topic", "skipped"), [("__debezium-heartbeat.crucible", True), ("postgres.Crucible", False)])
def test_a_heartbeat_is_skipped_in_avro_too(topic: str, *, skipped: bool) -> None:
    """Its schema is Debezium's own: a time and nothing else; it is one in its own topic alone."""
    memory, value = wire(
        {"type": "record", "name": "Beat", "fields": [{"name": "ts_ms", "type": "long"}]}, {"ts_ms": 1}
    )

    if skipped:
        assert Skip("heartbeat") == decoder(memory).decode(topic, value)
    else:
        with pytest.raises(RecordError):
            decoder(memory).decode(topic, value)


@pytest.mark.parametrize("logical", [None, "timestamp-millis", "local-timestamp-millis"])
def test_a_time_is_a_number_whatever_its_schema_calls_it(logical: str | None) -> None:
    """``time.precision.mode=connect`` names the type, and the milliseconds are the same; also those of no year."""
    column = {"type": "long", "logicalType": logical} if logical else "long"
    numbers = [{"name": name, "type": "long"} for name in ("id", "crucibleId", "userId", "imageId")]
    row = {"type": "record", "name": "Value", "fields": [*numbers, {"name": "createdAt", "type": ["null", column]}]}
    place = {"table": "string", "schema": "string", "lsn": "long", "ts_ms": "long"}
    source = {"type": "record", "name": "S", "fields": [{"name": n, "type": kind} for n, kind in place.items()]}
    fields = {"before": ["null", row], "after": ["null", "Value"], "source": source, "op": "string"}
    schema = {"type": "record", "name": "E", "fields": [{"name": n, "type": kind} for n, kind in fields.items()]}
    for moment in (1_760_000_000_123, -1_000):
        one = {"id": 1, "crucibleId": 2, "userId": 3, "imageId": 4, "createdAt": moment}
        told = {"table": "CrucibleEntry", "schema": "public", "lsn": 5, "ts_ms": 6}
        memory, value = wire(schema, {"before": None, "after": one, "source": told, "op": "c"})

        event = decoder(memory).decode("t", value)

        assert isinstance(event, ChangeEvent)
        assert event.row.created_at == moment


def test_a_value_that_was_not_sent_again_is_that_of_the_row_before_in_avro_too() -> None:
    """A long text that an update leaves alone has the placeholder in each encoding."""
    numbers, texts = ("id", "userId", "nsfwLevel"), ("name", "status", "judgeRequirements", "prizePositions")
    kinds = dict.fromkeys(numbers, "long") | dict.fromkeys(texts, "string")
    moments = [{"name": name, "type": "null"} for name in ("startAt", "endAt")]
    columns = [*({"name": name, "type": kind} for name, kind in kinds.items()), *moments]
    row = {"type": "record", "name": "Value", "fields": columns}
    place = {"table": "string", "schema": "string", "lsn": "long", "ts_ms": "long"}
    source = {"type": "record", "name": "S", "fields": [{"name": n, "type": kind} for n, kind in place.items()]}
    fields = {"before": row, "after": "Value", "source": source, "op": "string"}
    schema = {"type": "record", "name": "E", "fields": [{"name": n, "type": kind} for n, kind in fields.items()]}
    before = dict.fromkeys(numbers, 1) | dict.fromkeys(texts, "{}") | dict.fromkeys(("startAt", "endAt"))
    after = before | {"status": "completed", "judgeRequirements": "__debezium_unavailable_value"}
    told = {"table": "Crucible", "schema": "public", "lsn": 5, "ts_ms": 6}
    memory, value = wire(schema, {"before": before, "after": after, "source": told, "op": "u"})

    event = decoder(memory).decode("t", value)

    assert isinstance(event, ChangeEvent)
    assert (event.row.judge_requirements, event.row.status) == ("{}", "completed")
