"""What people deploy agrees with itself and with the code. No worker needed."""

import re

import debezium
from handlers import REGISTRY
from tests.capture import envelopes
from watcher.admin.connector.diff import is_secret
from watcher.admin.connector.file import read

JSON = read(debezium.CONNECTOR).config
AVRO = read(debezium.CONNECTOR_AVRO).config


def server() -> dict[str, str]:
    """Debezium Server's properties."""
    lines = debezium.SERVER.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value.replace("\\\\", "\\") for key, _, value in pairs}


def test_the_avro_profile_differs_in_its_encoding_alone():
    """A setting that is mended in one file must be mended in both."""
    encoding = re.compile(r"(key|value)\.converter|(schema|field)\.name\.adjustment\.mode")

    def rest(config):
        return {key: value for key, value in config.items() if not encoding.match(key)}

    assert rest(AVRO) == rest(JSON)


def test_debezium_server_reads_the_same_source():
    """All that is not Kafka Connect's own is said to Debezium Server in the same words."""
    connects = re.compile(r"tasks\.max|exactly\.once|topic\.creation|producer\.|transforms|(key|value)\.converter")
    found = {
        key.removeprefix("debezium.source."): value
        for key, value in server().items()
        if key.startswith("debezium.source.") and "offset.storage" not in key and "offset.flush" not in key
    }
    wanted = {key: value for key, value in JSON.items() if not connects.match(key)}

    def plain(config):
        return {key: re.sub(r"\$\{(?:env:)?(\w+)(?::\d+)?\}", r"<\1>", value) for key, value in config.items()}

    assert plain(found) == plain(wanted)
    assert server()["debezium.transforms.route.regex"] == JSON["transforms.route.regex"]
    assert server()["debezium.transforms.route.replacement"] == JSON["transforms.route.replacement"]


def test_no_secret_lies_in_a_shipped_file():
    """Every secret is a reference that the worker resolves."""
    secrets = [
        value
        for config in (JSON, AVRO, server())
        for key, value in config.items()
        if is_secret(key.replace("format.key", ""))
    ]

    assert len(secrets) == 3
    assert [value for value in secrets if not re.fullmatch(r"\$\{[^}]+\}", value)] == []


def test_the_tables_that_are_streamed_are_those_that_are_handled():
    """A table with handlers that is not streamed would be silent; one without would be a dead letter each."""
    streamed = {name.removeprefix("public.") for name in JSON["table.include.list"].split(",")}
    preparation = debezium.PREPARATION[0].read_text(encoding="utf-8")

    assert streamed == {table.name for table in REGISTRY}
    assert [name for name in streamed if f'public."{name}"' not in preparation] == []


def test_every_case_has_been_captured():
    """All of c u d r t m, tombstone, heartbeat, TOAST, COPY, key change, first transaction, both other encodings."""
    names = {envelope.name for envelope in envelopes.every()}
    operations = {
        match[1]
        for envelope in envelopes.every()
        if (match := re.search(rb'"op":"(.)"', envelope.value or b"")) is not None
    }

    assert operations == {b"c", b"u", b"d", b"r", b"t", b"m"}
    assert names >= {
        "CrucibleEntry.tombstone",
        "heartbeat.beat",
        "Crucible.toast",
        "CrucibleEntry.copy_first",
        "CrucibleEntry.copy_second",
        "CrucibleEntry.key_change_create",
        "CrucibleEntry.first_transaction",
        "CrucibleEntry.create_with_schema",
        "CrucibleEntry.create_avro",
    }
