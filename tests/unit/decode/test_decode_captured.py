"""What each record of the real connector decodes to. The files in ``debezium/envelopes`` are all there is to it."""

import json
from typing import Any

import pytest

import debezium
from handlers import REGISTRY
from handlers.crucible_entry import CrucibleEntryRow
from tests.capture.envelopes import Envelope, every, load
from tests.change_events import altered
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder, Skip
from watcher.model.change import ChangeEvent, Operation
from watcher.model.errors import Reason, RecordError

NAMES = sorted(file.stem for file in debezium.ENVELOPES.glob("*.json"))
SKIPPED = {
    "Crucible.tombstone": "tombstone",
    "CrucibleEntry.tombstone": "tombstone",
    "CrucibleEntry.key_change_tombstone": "tombstone",
    "heartbeat.beat": "heartbeat",
    "message.plain": "operation",
    "message.transactional": "operation",
    "transaction.begin": "transaction",
    "transaction.end": "transaction",
}
REFUSED = {"Crucible.toast_without_full_identity": Reason.INCOMPLETE_ROW}
OPERATION = {
    "create": "c", "update": "u", "delete": "d", "snapshot": "r", "truncate": "t", "toast": "u", "copy": "c",
    "first": "c", "key": "c",
}  # fmt: skip


class Captured:
    """Serves the schemas that were captured with a record."""

    def __init__(self, envelope: Envelope) -> None:
        self._schemas = envelope.schemas

    def schema(self, schema_id: int) -> str:
        return json.dumps(self._schemas[schema_id])


def decode(envelope: Envelope, decoder: Decoder | None = None) -> ChangeEvent[Any] | Skip:
    decoder = decoder or Decoder(REGISTRY, AvroReader(Captured(envelope)) if envelope.schemas else None)
    return decoder.decode(envelope.topic, envelope.value)


def plain(envelope: Envelope) -> dict[str, Any]:
    """The JSON that the record holds, whether wrapped in a schema or not."""
    content = json.loads(envelope.value or b"null")
    return content.get("payload", content)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", sorted(SKIPPED))
def test_what_is_no_change_is_skipped_with_its_reason(name: str) -> None:
    """Tombstones, heartbeats, transaction marks and logical messages say nothing of a row."""
    assert Skip(SKIPPED[name]) == decode(load(name))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_row_without_its_other_side_is_refused(name: str) -> None:
    """Without REPLICA IDENTITY FULL an update lacks what it changed from, and the message says what to run."""
    with pytest.raises(RecordError, match="REPLICA IDENTITY FULL") as refused:
        decode(load(name))

    assert REFUSED[name] is refused.value.reason


@pytest.mark.parametrize("name", sorted(set(NAMES) - SKIPPED.keys() - REFUSED.keys()))
def test_every_other_record_is_a_change_of_its_table(name: str) -> None:
    """Table, operation and rows are the record's own; a new file in the folder is tested without being named here."""
    table, _, what = name.partition(".")
    envelope = load(name)

    event = decode(envelope)

    assert isinstance(event, ChangeEvent)
    expected = "d" if what == "key_change_delete" else OPERATION[what.split("_")[0]]
    assert (table, expected) == (event.source.table, event.op)
    assert (expected in "ud") == (event.before is not None)
    assert (expected in "cur") == (event.after is not None)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in SKIPPED | REFUSED and not name.endswith("_avro")]
)
def test_the_columns_arrive_as_they_were(name: str) -> None:
    """Each column of a decoded row equals the JSON's, under the name that PostgreSQL gives it."""
    envelope = load(name)
    content = plain(envelope)

    event = decode(envelope)

    assert isinstance(event, ChangeEvent)
    for side in ("before", "after"):
        row = getattr(event, side)
        for field, column in zip(row.__struct_fields__, row.__struct_encode_fields__, strict=True) if row else ():
            assert content[side][column] == getattr(row, field), column
    source = content["source"]
    assert (source["ts_ms"], source["ts_us"]) == (event.source.ts_ms, event.source.ts_us)
    assert name.endswith("incremental") or source["lsn"] == event.source.lsn


def test_the_three_encodings_say_the_same() -> None:
    """A create is of the same type whether it came as bare JSON, with its schema around it, or as Avro."""
    bare, wrapped, avro = (
        decode(load(f"CrucibleEntry.{name}")) for name in ("create", "create_with_schema", "create_avro")
    )

    for event in (bare, wrapped, avro):
        assert isinstance(event, ChangeEvent)
        assert isinstance(event.after, CrucibleEntryRow)
        assert event.op is Operation.CREATE
        assert event.source.ts_us is not None
        assert event.source.ts_ms == event.source.ts_us // 1000


def test_one_decoder_tells_them_apart_record_by_record() -> None:
    """What was found in a topic last is a hint only: mixed records decode as each alone does."""
    bare = [envelope for envelope in every() if not envelope.schemas and envelope.name not in REFUSED]
    decoder = Decoder(REGISTRY, None, heartbeat_topic="one.topic")

    mixed = [decoder.decode("one.topic", envelope.value) for envelope in [*bare, *reversed(bare)]]

    alone = [decode(envelope) for envelope in bare]
    assert [*alone, *reversed(alone)] == mixed


def test_a_copy_of_two_rows_has_one_log_position_and_two_keys() -> None:
    """Which is why a position alone would fold two rows into one."""
    first, second = (decode(load(f"CrucibleEntry.copy_{name}")) for name in ("first", "second"))

    assert isinstance(first, ChangeEvent)
    assert isinstance(second, ChangeEvent)
    assert first.source.lsn == second.source.lsn
    assert first.row.id != second.row.id


def test_a_row_of_an_incremental_snapshot_stands_where_the_stream_was() -> None:
    """It has no log position of its own; the later half of its sequence says how far the stream was."""
    envelope = load("CrucibleEntry.snapshot_incremental")

    event = decode(envelope)

    assert isinstance(event, ChangeEvent)
    assert plain(envelope)["source"]["lsn"] is None
    assert event.source.lsn == 37381136


@pytest.mark.parametrize("sequence", [None, "[]", "[null,null]", "later", '["x"]', 7])
def test_an_incremental_row_without_a_place_is_refused(sequence: Any) -> None:
    """Without a place in the log nobody could tell whether it is older than what is shown."""
    value = altered(load("CrucibleEntry.snapshot_incremental").value, "source", "sequence", to=sequence)

    with pytest.raises(RecordError) as refused:
        Decoder(REGISTRY, None).decode("t", value)

    assert Reason.BAD_SOURCE is refused.value.reason


def test_only_an_incremental_snapshot_may_lack_its_log_position() -> None:
    """A streamed change without one is broken, whatever its sequence says."""
    value = altered(load("CrucibleEntry.create").value, "source", "lsn", to=None)

    with pytest.raises(RecordError) as refused:
        Decoder(REGISTRY, None).decode("t", value)

    assert Reason.BAD_SOURCE is refused.value.reason
