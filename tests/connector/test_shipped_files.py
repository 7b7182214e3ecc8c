"""What people deploy agrees with itself and with the code. No worker needed."""

import re
from pathlib import Path

import debezium
from config import KafkaSettings
from handlers import REGISTRY
from tests.capture import envelopes
from watcher.admin.connector.file import read_connector_file
from watcher.admin.connector.secrets import is_secret
from watcher.bootstrap.doctor import EVENT_SLOT
from watcher.model.registry import WATCHER_SCHEMA

JSON = read_connector_file(debezium.CONNECTOR).config
AVRO = read_connector_file(debezium.CONNECTOR_AVRO).config
EVENTS = read_connector_file(debezium.EVENTS)


def _watched(script: Path) -> str:
    """The part of a script that names tables."""
    return script.read_text(encoding="utf-8").partition("ARRAY[")[2].partition("];")[0]


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


def test_the_events_connector_is_another_one_of_the_same_database():
    """Its slot, publication, topics and name are its own; how it reaches PostgreSQL and makes topics is said alike."""
    own = {"slot.name", "publication.name", "topic.prefix", "table.include.list"}
    shared = re.compile(r"connector\.class|tasks\.max|database\.|plugin|topic\.creation|producer\.|exactly\.once|poll")

    assert {key for key in own if EVENTS.config[key] == JSON[key]} == set()
    assert EVENTS.name != read_connector_file(debezium.CONNECTOR).name
    assert {key: value for key, value in EVENTS.config.items() if shared.match(key)} == {
        key: value for key, value in JSON.items() if shared.match(key)
    }
    assert EVENTS.config["publication.name"] in debezium.EVENTS_PREPARATION.read_text(encoding="utf-8")
    assert EVENTS.config["slot.name"] == EVENT_SLOT


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
        for config in (JSON, AVRO, EVENTS.config, server())
        for key, value in config.items()
        if is_secret(key.replace("format.key", ""))
    ]

    assert len(secrets) == 4
    assert [value for value in secrets if not re.fullmatch(r"\$\{[^}]+\}", value)] == []


def test_the_tables_that_are_streamed_are_those_that_are_handled():
    """A table with handlers that is not streamed would be silent; one without would be a dead letter each."""
    tables = {table.qualified for table in REGISTRY}
    published = re.findall(r"'([\w.]+)',?$", _watched(debezium.PREPARATION[0]), re.MULTILINE)
    readable = re.findall(r"'([\w.]+)',?$", _watched(debezium.PREPARATION[1]), re.MULTILINE)

    assert set(JSON["table.include.list"].split(",")) == tables
    assert set(published) == tables
    assert set(readable) >= {table.qualified for table in REGISTRY if table.schema != WATCHER_SCHEMA}


def test_a_tables_changes_come_in_the_topic_that_the_watcher_reads():
    """What the connector makes of a table's name, by the expression of its file, is a default of ``kafka.topics``."""
    for table in REGISTRY:
        prefixed = f"{JSON['topic.prefix']}.{table.qualified}"
        routed = re.fullmatch(JSON["transforms.route.regex"], prefixed)

        assert routed is not None, prefixed
        assert routed.expand(JSON["transforms.route.replacement"].replace("$", "\\")) == table.topic
        assert table.topic in KafkaSettings().topics


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
