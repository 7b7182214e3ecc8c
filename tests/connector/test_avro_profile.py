"""The Avro profile, through the real converter and the real registry."""

from contextlib import nullcontext

import httpx
import pytest

import debezium
from handlers import REGISTRY
from stack import Stack
from tests.connector.site import CRUCIBLE, ENTRY
from watcher.decode.avro import AvroReader
from watcher.decode.decoder import Decoder, Skip
from watcher.decode.registry import RegistryClient
from watcher.model.change import Operation
from watcher.model.errors import Reason, RecordError


@pytest.fixture
def registry(parts):
    """The registry's client, as the daemon uses it."""
    return RegistryClient(str(parts.endpoints.registry_url))


def test_the_same_change_means_the_same_in_avro_and_in_json(site, crucible, registry):
    """Two connectors send each change in both encodings: equal events, and so equal identities."""
    decoder = Decoder(REGISTRY, AvroReader(registry))
    with site.database() as database:
        database.execute(CRUCIBLE, (1,))
    avro = [*site.overlay, "-f", str(debezium.CONNECTOR_AVRO), "--set", "heartbeat.interval.ms=500"]
    beside = f"{site.name}_json"
    json = [*site.overlay, "--name", beside, "--set", f"slot.name={beside}"]
    # Two connectors of one worker need two prefixes: Debezium waits two minutes for the name of its metrics otherwise.
    json += ["--set", f"topic.prefix={beside}", "--set", f"transforms.route.regex={beside}\\.public\\.(.*)"]
    json += ["--set", "transforms.route.replacement=json.$1"]
    applied = [crucible("connector", "apply", *profile) for profile in (avro, json)]
    assert [done.returncode for done in applied] == [0, 0], applied
    for slot in (site.name, beside):
        site.await_streaming(slot)
    with site.database() as database:
        database.execute(ENTRY, (1, 1))
        database.execute("""UPDATE "CrucibleEntry" SET score = 1516 WHERE id = 1""")
        database.execute("""DELETE FROM "CrucibleEntry" WHERE id = 1""")
    in_avro, in_json = (site.records(topic, 3) for topic in ("postgres.CrucibleEntry", "json.CrucibleEntry"))
    (beat, *_) = site.records("__debezium-heartbeat.crucible", 1, part_of_value=b"")

    assert [record.value()[:1] for record in in_avro] == [b"\x00"] * 3
    assert [record.value()[:1] for record in in_json] == [b"{"] * 3
    events = [decoder.decode(record.topic(), record.value()) for record in in_avro]
    assert [event.op for event in events] == [Operation.CREATE, Operation.UPDATE, Operation.DELETE]
    assert events == [decoder.decode(record.topic(), record.value()) for record in in_json]
    assert isinstance(decoder.decode(beat.topic(), beat.value()), Skip)


def test_an_id_that_the_registry_does_not_know_is_a_named_fault(registry):
    """One record, one dead letter; not an outage that would stop the stream."""
    with pytest.raises(RecordError) as caught:
        AvroReader(registry).read(b"\x00\x7f\xff\xff\xff\x02")

    assert caught.value.reason is Reason.UNKNOWN_SCHEMA


@pytest.mark.parametrize("beside", [False, pytest.param(True, marks=pytest.mark.soak("a registry more is started"))])
def test_the_registry_keeps_its_ids(parts, tmp_path, beside):
    """A schema's id means the same after SIGKILL, and a second registry may run beside the first."""
    one, other = parts.registry, Stack(tmp_path / "other", ["registry"]) if beside else nullcontext()
    with httpx.Client(trust_env=False, timeout=10) as client:
        registered = client.post(
            f"{one.url}/subjects/kept-value/versions",
            json={"schema": '{"type": "string"}'},
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        one.kill()
        one.start()
        with other:
            one.await_ready()
            kept = client.get(f"{one.url}/schemas/ids/{registered.json()['id']}")

    assert "string" in kept.json()["schema"]
