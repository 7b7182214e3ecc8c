"""Bad records: each is refused with its reason, whatever came before it, and nothing but a RecordError comes out."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import REGISTRY
from handlers.crucible import CrucibleRow
from handlers.crucible_entry import CrucibleEntryRow
from tests.bad_records import BAD, CONTEST, CREATE, UPDATE, WRAPPED
from tests.change_events import altered
from watcher.decode.decoder import Decoder, Skip
from watcher.model.change import ChangeEvent
from watcher.model.errors import Reason, RecordError
from watcher.model.registry import WATCHER_SCHEMA, Registry


def refusal(value: bytes, before: bytes = b"") -> RecordError:
    """How a decoder refuses a value, after another one in the same topic."""
    decoder = Decoder(REGISTRY, None)
    if before:
        decoder.decode("t", before)
    with pytest.raises(RecordError) as refused:
        decoder.decode("t", value)
    return refused.value


@pytest.mark.parametrize("before", [b"", CREATE, CONTEST], ids=["first", "after its like", "after another table"])
@pytest.mark.parametrize("what", BAD)
def test_a_bad_record_is_refused_with_its_reason(what: str, before: bytes) -> None:
    """The reason is the record's own, also where the decoder expected something else in this topic."""
    value, reason = BAD[what]

    assert reason is refusal(value, before).reason


@pytest.mark.parametrize("value", [CREATE, WRAPPED, CONTEST], ids=["bare", "wrapped", "Crucible"])
def test_a_record_cut_off_anywhere_is_refused(value: bytes) -> None:
    """There is no length at which half a record passes for a whole one."""
    decoder = Decoder(REGISTRY, None)

    for length in range(1, len(value)):
        with pytest.raises(RecordError) as refused:
            decoder.decode("t", value[:length])
        assert Reason.NOT_JSON is refused.value.reason


@pytest.mark.parametrize(
    ("value", "table", "op"),
    [
        (altered(CREATE, "after", "userId", to=None), "CrucibleEntry", "c"),
        (altered(UPDATE, "before", to=None), "CrucibleEntry", "u"),
        (altered(CREATE, "op", to="x"), "CrucibleEntry", ""),
        (altered(CREATE, "source", "table", to="NoSuchTableOfOurs"), "", ""),
    ],
)
def test_a_refusal_names_table_and_operation_only_where_they_are_known(value: bytes, table: str, op: str) -> None:
    """They label a counter, so a record's own words must not become labels."""
    error = refusal(value)

    assert (table, op) == (error.table, error.op)


@pytest.mark.parametrize("before", [b"", CREATE], ids=["first", "after its like"])
def test_a_table_of_another_schema_is_not_ours(before: bytes) -> None:
    """A copy of a watched table, say an archive, that the connector reads by mistake must not be counted."""
    decoder = Decoder(REGISTRY, None)
    values = [*filter(None, [before]), altered(CREATE, "source", "schema", to="archive")]

    *_, error = decoder.decode_run("t", values)

    assert isinstance(error, RecordError)
    assert Reason.UNKNOWN_TABLE is error.reason
    assert "source.schema is 'archive', the handlers of CrucibleEntry are for public.CrucibleEntry" in error.detail


def test_the_watchers_own_tables_are_known_in_the_schema_that_is_set() -> None:
    """``postgres.watcher_schema`` renames the schema of the watcher's own tables and of no other."""
    own = msgspec.structs.replace(REGISTRY.tables["CrucibleEntry"], schema=WATCHER_SCHEMA)
    registry = Registry.of(own, REGISTRY.tables["Crucible"]).with_watcher_schema("elsewhere")
    decoder = Decoder(registry, None)
    value = altered(CREATE, "source", "schema", to="elsewhere")

    events = list(decoder.decode_run("t", [value, value, CONTEST, value]))

    assert [event.source.schema for event in events] == ["elsewhere", "elsewhere", "public", "elsewhere"]
    with pytest.raises(RecordError, match=r"are for elsewhere\.CrucibleEntry"):
        decoder.decode("t", altered(CREATE, "source", "schema", to=WATCHER_SCHEMA))


FLAT: dict[str, Any] = {"id": 1, "crucibleId": 1, "userId": 2, "imageId": 3}


@pytest.mark.parametrize("topic", ["postgres.CrucibleEntry", "__debezium-heartbeat.crucible"])
@pytest.mark.parametrize(
    "more",
    [
        {"ts_ms": 1_795_370_552_726},
        {"ts_ms": 1, "op": None, "source": None},
        {"ts_ms": 1, "status": "END"},
        {"status": "BEGIN"},
        {"payload": None},
        {"op": "m"},
        {"op": "m", "source": {"table": "", "schema": "", "lsn": 5, "ts_ms": 6}},
        {"__op": "c", "__deleted": "false"},
    ],
)
def test_a_row_without_its_envelope_is_refused(more: dict[str, Any], topic: str) -> None:
    """Whatever columns a site has: a row that was taken out of its envelope is no beat, mark, message or tombstone."""
    value = json.dumps(FLAT | more).encode()
    for one in (value, b'{"schema":{},"payload":%s}' % value):
        with pytest.raises(RecordError):
            Decoder(REGISTRY, None).decode(topic, one)


@pytest.mark.parametrize(
    ("topic", "set_topic", "skipped"),
    [
        ("__debezium-heartbeat.crucible", "", True),
        ("__debezium-heartbeat.other", "beats", True),
        ("beats", "beats", True),
        ("postgres.CrucibleEntry", "beats", False),
        ("postgres.CrucibleEntry", "", False),
    ],
)
def test_a_beat_is_one_in_its_own_topic_alone(topic: str, set_topic: str, *, skipped: bool) -> None:
    """A connector may name the topic otherwise; in a table's topic a time alone is no record of anything."""
    decoder = Decoder(REGISTRY, None, set_topic)
    for value in (b'{"ts_ms":1795370551009}', b'{"schema":{},"payload":{"ts_ms":1795370551009}}'):
        if skipped:
            assert Skip("heartbeat") == decoder.decode(topic, value)
        else:
            with pytest.raises(RecordError, match="not_an_envelope"):
                decoder.decode(topic, value)


def test_a_refused_record_leaves_the_next_one_alone() -> None:
    """One decoder, every bad record, and after each a good one that decodes as ever."""
    decoder = Decoder(REGISTRY, None)
    good = decoder.decode("t", CREATE)

    for value, _ in BAD.values():
        with pytest.raises(RecordError):
            decoder.decode("t", value)
        assert good == decoder.decode("t", CREATE)


def test_columns_that_nobody_reads_may_hold_anything() -> None:
    """A site adds and widens columns without asking; what is not needed is not looked at."""
    decoder = Decoder(REGISTRY, None)
    good = decoder.decode("t", CREATE)

    for content in ("x", 10**30, {"a": [1]}, None, 1.5):
        assert good == decoder.decode("t", altered(CREATE, "after", "brandNew", to=content))
        assert good == decoder.decode("t", altered(CREATE, "after", "score", to=content))
    assert good == decoder.decode("t", altered(CREATE, "after", "score", drop=True))


@pytest.mark.parametrize(("envelope", "row"), [(CONTEST, CrucibleRow), (CREATE, CrucibleEntryRow)])
def test_a_column_that_is_not_there_is_not_null(envelope: bytes, row: type[msgspec.Struct]) -> None:
    """Renamed in PostgreSQL or left out by the connector, every needed column is missed by its name."""
    for column in row.__struct_encode_fields__:
        error = refusal(altered(envelope, "after", column, drop=True))

        assert (error.reason, f"`{column}`" in error.detail) == (Reason.BAD_ROW, True), column


@pytest.mark.parametrize("column", ["startAt", "endAt", "judgeRequirements", "prizePositions"])
def test_a_column_of_a_contest_may_be_null(column: str) -> None:
    """A site leaves these open; NULL is said, not guessed."""
    event = Decoder(REGISTRY, None).decode("t", altered(CONTEST, "after", column, to=None))

    assert isinstance(event, ChangeEvent)
    assert json.loads(msgspec.json.encode(event.after))[column] is None


def test_a_connector_that_knows_no_microseconds_is_read() -> None:
    """Connectors before 2.6 send milliseconds alone."""
    event = Decoder(REGISTRY, None).decode("t", altered(CREATE, "source", "ts_us", drop=True))

    assert isinstance(event, ChangeEvent)
    assert event.source.ts_us is None


@pytest.mark.parametrize("topic", ["postgres.CrucibleEntry", "crucible.public.CrucibleEntry", "anything"])
def test_the_topics_name_decides_nothing(topic: str) -> None:
    """Routed, prefixed or renamed: the record itself says which table it is of."""
    event = Decoder(REGISTRY, None).decode(topic, CREATE)

    assert isinstance(event, ChangeEvent)
    assert event.source.table == "CrucibleEntry"


@pytest.mark.parametrize("value", [None, b"", b'{"payload":null}', b'{"schema":null,"payload": null }'])
def test_a_tombstone_is_nothing_in_every_encoding(value: bytes | None) -> None:
    """A record without a value follows each delete; it says what the delete has said."""
    assert Skip("tombstone") == Decoder(REGISTRY, None).decode("t", value)


def test_ten_megabytes_of_one_record_are_read() -> None:
    """Size alone is no fault: a long description is skipped over."""
    event = Decoder(REGISTRY, None).decode("t", altered(CONTEST, "after", "description", to="x" * 10_000_000))

    assert isinstance(event, ChangeEvent)


PLACEHOLDER = "__debezium_unavailable_value"


@pytest.mark.parametrize("warm", [False, True])
def test_a_value_that_was_not_sent_again_is_that_of_the_row_before(*, warm: bool) -> None:
    """A long text that an update leaves alone: in any needed column, also with other columns' values changed."""
    decoder = Decoder(REGISTRY, None)
    if warm:
        decoder.decode("t", CONTEST)
    for column in ("name", "judgeRequirements", "prizePositions"):
        value = altered(altered(CONTEST, "after", column, to=PLACEHOLDER), "before", column, to='{"1":100}')
        for event in (decoder.decode("t", value), next(decoder.decode_run("t", [value]))):
            assert isinstance(event, ChangeEvent)
            assert json.loads(msgspec.json.encode(event.after))[column] == '{"1":100}'
            assert event.after.status == "Completed"


def test_a_value_that_is_not_known_and_has_no_row_before_is_refused() -> None:
    """With another replica identity than FULL nobody can tell what it is."""
    value = altered(altered(CONTEST, "after", "judgeRequirements", to=PLACEHOLDER), "before", to=None)

    error = refusal(value)

    assert (error.reason, "REPLICA IDENTITY FULL" in error.detail) == (Reason.INCOMPLETE_ROW, True)


def test_somebody_may_call_a_crucible_like_the_placeholder() -> None:
    """An insert has all of its row: there it is a name like any other."""
    event = Decoder(REGISTRY, None).decode(
        "t", altered(altered(altered(CONTEST, "op", to="c"), "before", to=None), "after", "name", to=PLACEHOLDER)
    )

    assert isinstance(event, ChangeEvent)
    assert event.after.name == PLACEHOLDER


RAW: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
PLACES = [
    ("op",), ("before",), ("after",), ("source",), ("source", "table"), ("source", "lsn"), ("source", "ts_ms"),
    ("source", "ts_us"), ("source", "snapshot"), ("source", "sequence"), ("after", "id"), ("after", "userId"),
    ("after", "createdAt"), ("before", "crucibleId"), ("payload",), ("status",), ("ts_ms",),
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(place=st.sampled_from(PLACES), content=RAW, envelope=st.sampled_from([UPDATE, CONTEST]), warm=st.booleans())
def test_whatever_stands_anywhere_is_an_event_a_skip_or_a_refusal(
    place: tuple[str, ...], content: Any, envelope: bytes, warm: bool
) -> None:
    """No content of any field makes the decoder raise anything else."""
    decoder = Decoder(REGISTRY, None)
    if warm:
        decoder.decode("t", UPDATE)
    value = altered(envelope, *place, to=content)

    try:
        found = decoder.decode("t", value)
    except RecordError:
        return

    assert isinstance(found, ChangeEvent | Skip)


@settings(max_examples=400, deadline=None)
@given(value=st.binary(min_size=1, max_size=60) | st.text(min_size=1, max_size=60).map(str.encode))
def test_noise_is_refused(value: bytes) -> None:
    """Bytes of no sender's making never pass for a change and never raise anything but a refusal."""
    decoder = Decoder(REGISTRY, None)

    try:
        found = decoder.decode("t", value)
    except RecordError:
        return

    assert isinstance(found, Skip)
