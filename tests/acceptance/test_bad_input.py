"""Records that nobody can use become dead letters, one each, with a reason; everything around them flows on."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stack.leashed import Leashed, Program
from stack.ports import Ports
from tests.acceptance.daemon import REPOSITORY, Daemon
from tests.acceptance.history import History
from tests.acceptance.world import SESSION_SECONDS, World
from tests.awaiting import await_that
from tests.capture.envelopes import load
from watcher.model.dead_letter_headers import read_refused_record

MEGABYTE = 1_000_000
TEMPLATE: dict[str, Any] = json.loads(History().insert().value)
ROW: dict[str, Any] = TEMPLATE["after"]
SOURCE: dict[str, Any] = TEMPLATE["source"]


def envelope(**fields: Any) -> bytes:
    """An envelope with some fields replaced."""
    return json.dumps(TEMPLATE | fields).encode()


def row(**columns: Any) -> bytes:
    """An envelope of a row with some columns replaced."""
    return envelope(after=ROW | columns)


def source(**fields: Any) -> bytes:
    """An envelope from elsewhere."""
    return envelope(source=SOURCE | fields)


BAD = {
    "truncated JSON": (row()[:-1], "not_json"),
    "no JSON": (b"no json", "not_json"),
    "no text": (b"\xff\xfe\xfd", "not_json"),
    "brackets without end": (b"[" * 100_000, "not_an_envelope"),
    "objects within objects": (row()[:-1] + b',"x":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, "not_json"),
    "a list": (b"[1, 2]", "not_an_envelope"),
    "a number": (b"7", "not_an_envelope"),
    "nothing in it": (b"{}", "not_an_envelope"),
    "null for everything": (json.dumps(dict.fromkeys(TEMPLATE)).encode(), "not_an_envelope"),
    "null for every column": (envelope(after=dict.fromkeys(ROW)), "bad_row"),
    "null for every source field": (envelope(source=dict.fromkeys(SOURCE)), "unknown_table"),
    "a text for a number": (row(crucibleId="many"), "bad_row"),
    "a fraction for a number": (row(userId=1.5), "bad_row"),
    "a column that is missing": (envelope(after={"id": 1}), "bad_row"),
    "a row that is a list": (envelope(after=[1]), "bad_row"),
    "a crucible beyond Int32": (row(crucibleId=2**31), "bad_row"),
    "an entry beyond Int32": (row(id=2**31), "bad_row"),
    "a user beyond any integer": (row(userId=10**400), "bad_row"),
    "a negative id": (row(userId=-1), "bad_row"),
    "created in another age": (row(id=1_000_000, createdAt=10**17), "handler"),  # a repeat would not be looked at
    "committed in another age": (source(ts_ms=10**17, ts_us=10**18), "bad_source"),
    "committed before the calendar": (source(ts_ms=-(10**17)), "bad_source"),
    "a log position that is a text": (source(lsn="here"), "bad_source"),
    "a log position below zero": (source(lsn=-1), "bad_source"),
    "another table": (source(table="NoSuchTableOfOurs"), "unknown_table"),
    "another operation": (envelope(op="z"), "unknown_operation"),
    "a creation without a row": (envelope(after=None), "incomplete_row"),
    "an update without the row before": (envelope(op="u"), "incomplete_row"),
    "a deletion without a row": (envelope(op="d", after=None), "incomplete_row"),
    "Avro without a registry": (b"\x00\x00\x00\x00\x07bytes", "unknown_schema"),
    "one byte": (b"\x00", "unknown_schema"),
}
IGNORED = (
    None,
    envelope(op="m", after=None),
    b'{"status":"BEGIN","id":"7","event_count":null,"data_collections":null,"ts_ms":1767225600000}',
)
"""Tombstone, logical message, transaction. (A heartbeat is one on its own topic alone.)"""


def unaccounted(daemon: Daemon) -> float:
    """Records consumed that are neither applied, nor ignored, nor dead letters."""
    columns = ("events_applied", "events_ignored", "dlq_events")
    right = sum(daemon.metric(f"crucible_{column}_total") for column in columns)
    return daemon.metric("crucible_events_consumed_total") - right


def refused(world: World) -> list[tuple[bytes | None, str]]:
    """Value and reason of every dead letter, in order."""
    letters = []
    for message in world.letters():
        refusal = read_refused_record([(name, value) for name, value in message.headers() or []])  # type: ignore[misc]
        assert refusal is not None
        letters.append((message.value(), refusal.reason))
    return letters


def test_each_kind_of_bad_record_is_one_dead_letter(world: World):
    """Between good changes come records that are wrong in every way we know: one letter each, and no change is lost."""
    for value, _ in BAD.values():
        world.produce(world.history.work(3))
        world.produce_value(value)
    for ignored in IGNORED:
        world.produce_value(ignored)
    world.produce(world.history.work(30))
    daemon = world.start()
    world.await_acknowledged(60, daemon)

    names = {value: name for name, (value, _) in BAD.items()}
    found = [(names[value or b""], reason) for value, reason in refused(world)]
    assert found == [(name, reason) for name, (_, reason) in BAD.items()]
    assert world.verdict() == []
    assert daemon.metric("crucible_dlq_events_total") == len(BAD)
    assert unaccounted(daemon) == 0


def test_ten_megabytes(make_world: Callable[..., World]):
    """A row with a huge column counts; huge garbage is a dead letter of the same size."""
    world = make_world(**{"max.message.bytes": str(16 * MEGABYTE)})
    changes = world.history.work(30)
    huge = changes[10]
    garbage = b"x" * (10 * MEGABYTE)
    world.produce(changes[:10])
    world.produce_value(huge.value.replace(b'"imageId"', b'"caption":"%b","imageId"' % garbage), huge.key)
    world.produce_value(garbage)
    world.produce(changes[11:])
    daemon = world.start()
    world.await_acknowledged(60, daemon)

    assert refused(world) == [(garbage, "not_json")]
    assert world.verdict() == []
    assert unaccounted(daemon) == 0


def test_too_many_dead_letters_stop_the_watcher(world: World):
    """A bad deploy must not drain the stream: the watcher stops, says why, and acknowledges nothing of it.

    It sends no letter that is not allowed, for each restart would send them all again.
    """
    world.produce(world.history.work(10))
    for _ in range(50):
        world.produce_value(b"{")
    world.produce(world.history.work(10))
    stopped = world.start(dead_letters__consecutive="40", batch__poll_records="5")

    assert stopped.await_exit() == 1
    assert "41 dead letters in a row, the limit is 40" in stopped.text()
    assert world.committed().get(0, (0, ""))[0] < 60
    assert len(world.letters()) == 40

    patient = world.start(dead_letters__consecutive="100")
    world.await_acknowledged(60, patient)
    assert world.verdict() == []


def limit_letters(world: World, size: int) -> None:
    """Have the dead-letter topic take no record of more bytes."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, world.letters_topic, incremental_configs=[entry])
    world.admin.incremental_alter_configs([resource])[resource].result(10)


def test_a_dead_letter_topic_that_takes_nothing_is_told(world: World):
    """Nothing may overtake a letter, so reading pauses, and metrics say where it hangs; then all goes on."""
    world.make_topic(1, world.letters_topic)
    limit_letters(world, 50)
    world.produce(world.history.work(10))
    world.produce_value(b"{")
    world.produce(world.history.work(10))
    daemon = world.start()
    await_that(
        lambda: daemon.metric("crucible_sink_errors_total", sink="dead_letters") > 1, "letters to be refused",
        told=daemon.last_words,
    )  # fmt: skip
    await_that(lambda: daemon.metric("crucible_paused_partitions") == 1, "a pause that shows", told=daemon.last_words)
    assert world.committed().get(0, (0, ""))[0] <= 10

    limit_letters(world, MEGABYTE)
    world.await_acknowledged(60, daemon)

    assert [reason for _, reason in refused(world)] == ["not_json"]
    assert world.verdict() == []


class Registry:
    """A schema registry that knows the schema of a captured record."""

    def __init__(self, folder: Path) -> None:
        self.record = load("CrucibleEntry.create_avro")
        self.value = self.record.value or b""
        self.number = int.from_bytes(self.value[1:5], "big")
        self._ports = Ports()
        self._port, self._folder = self._ports.take(), folder
        self._running: Leashed | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it."""
        schema = json.dumps(self.record.schemas[self.number])
        command = [sys.executable, "-m", "tests.acceptance.registry_double", str(self._port), str(self.number), schema]
        self._running = Leashed(Program(command, self._folder / "registry.log", {"PATH": ""}, REPOSITORY))

    def close(self) -> None:
        """End it."""
        if self._running is not None:
            self._running.send(signal.SIGKILL)
            self._running.wait()
        self._ports.close()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    one = Registry(tmp_path)
    yield one
    one.close()


def test_a_schema_that_the_registry_does_not_know(world: World, registry: Registry):
    """The stream waits for the registry, longer than a session; then a known schema is used, an unknown one refused."""
    unknown = b"\x00" + (registry.number + 1000).to_bytes(4, "big") + registry.value[5:]
    world.produce(world.history.work(10))
    world.produce_value(registry.value)
    world.produce_value(unknown)
    world.produce(world.history.work(10))
    daemon = world.start(registry__url=registry.url)
    daemon.await_event("neighbour.away", neighbour="registry")
    began = daemon.metric("crucible_loop_last_turn_timestamp_seconds")
    await_that(
        lambda: daemon.metric("crucible_loop_last_turn_timestamp_seconds") > began + SESSION_SECONDS + 1,
        "a session to pass",
        told=daemon.last_words,
    )
    assert world.committed().get(0, (0, ""))[0] <= 10
    assert daemon.metric("crucible_sink_errors_total", sink="registry") > 1
    assert daemon.metric("crucible_paused_partitions") == 1

    registry.start()
    world.await_acknowledged(60, daemon)

    assert refused(world) == [(unknown, "unknown_schema")]
    own = "sourceLsn >= 24000000 AND sourceLsn <= 24100000"
    assert world.number(f"SELECT countIf(NOT ({own})) FROM entityMetricEvents") == 2  # noqa: S608 - of the Avro record
    assert world.number(f"SELECT countIf({own}) FROM entityMetricEvents") == world.history.rows().total()  # noqa: S608
    assert daemon.metric("crucible_rebalances_total") == 1
    assert unaccounted(daemon) == 0


def test_a_letter_that_is_sent_again_after_a_kill_is_one(world: World):
    """Killed between the letter and the acknowledgement, the watcher sends it again; the list shows one."""
    world.produce(world.history.work(30))
    world.produce_value(b"{")
    world.produce(world.history.work(30))
    doomed = world.start(failpoint="dead_letters.flushed", kafka__group_instance_id="w")
    assert doomed.await_exit() == 137
    daemon = world.start(kafka__group_instance_id="w")
    world.await_acknowledged(60, daemon)

    assert refused(world) == [(b"{", "not_json")] * 2
    listed = world.crucible("dlq", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count('"not_json"') == 1
    assert world.verdict() == []
