"""Dead letters are taken again by the command, beside a watcher that runs: counted, shown, marked, purged."""

import json
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from demo.pipeline import Pipeline
from tests import command
from tests.admin.conftest import assert_followed
from tests.awaiting import await_that
from tests.change_events import change, entry, value
from tests.clickhouse_clients import ClickHouseClients
from tests.site_database import WATCHER_ROLE
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.kafka import dead_letters
from watcher.kafka.admin import KafkaAdmin
from watcher.kafka.dead_letters import KafkaDeadLetters
from watcher.model.change import Operation, Position
from watcher.model.dead_letter import DeadLetter
from watcher.model.errors import Reason, RecordError
from watcher.redis import keys
from watcher.redis.client import open_client

CRUCIBLE, ENTRY = 8_800_001, 8_800_100
ENTRIES = "postgres.CrucibleEntry"
BEYOND = 1_000_000
"""An offset that no topic here has: nobody will read that record again."""


class Letters:
    """A dead-letter topic of one's own, beside a pipeline that runs."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.topic = pipeline, f"{uuid.uuid4().hex[:12]}.dlq"
        self.environ = {
            **pipeline.environ,
            "CRUCIBLE_POSTGRES__DSN": pipeline.role_dsn(WATCHER_ROLE),
            "CRUCIBLE_DEAD_LETTERS__TOPIC": self.topic,
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        self.client: dict[str, Any] = {"bootstrap.servers": pipeline.endpoints.bootstrap_servers}
        self._sink = KafkaDeadLetters(self.client, self.topic, "crucible-watcher")

    def send(self, offset: int, content: bytes, reason: Reason = Reason.BAD_ROW, topic: str = ENTRIES) -> None:
        error = RecordError(reason, "cut off", "CrucibleEntry")
        self._sink.send(
            [DeadLetter(Position(topic, 0, offset), b"{}", content, (), 1_760_000_000_000, error, "CrucibleEntry")]
        )
        self._sink.flush(30)

    def crucible(self, *arguments: str, **environ: str) -> command.Done:
        """Run the command as a person would."""
        return command.crucible(*arguments, environ={**self.environ, **environ})

    def replay(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self.crucible("dlq", "replay", "--json", *arguments)
        assert done.returncode == code, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def counted(self) -> int:
        """Return how many entries of the crucible are counted."""
        clients = ClickHouseClients(self.pipeline.endpoints)
        asked = "SELECT sum(metricValue) FROM entityMetricEvents WHERE entityId = {id:Int32} AND metricType = 'Entry'"
        ((found,),) = clients.of("default").query(asked, parameters={"id": CRUCIBLE}).result_rows
        clients.close()
        return int(found)

    def close(self) -> None:
        self._sink.close()


@pytest.fixture
def letters(pipeline: Pipeline) -> Iterator[Letters]:
    made = Letters(pipeline)
    yield made
    made.close()


def entered(number: int, lsn: int) -> bytes:
    """An entry that came, as the connector tells it."""
    return value(change(Operation.CREATE, after=entry(id=number, crucible_id=CRUCIBLE, user_id=1), lsn=lsn))


def test_letters_are_taken_again_by_the_command(letters: Letters, pipeline: Pipeline) -> None:
    """Killed halfway and run again they count once; a broken one, a stranger's and no letter stay, and say why."""
    with pipeline.connect() as site:
        site.execute("""INSERT INTO "User" (id, username) VALUES (1, 'letters') ON CONFLICT DO NOTHING""")
        site.execute(
            """INSERT INTO "Crucible" (id, "userId", name, "updatedAt") VALUES (%s, 1, 'letters', now())""", (CRUCIBLE,)
        )

    def is_shown() -> bool:
        assert_followed(pipeline)
        return shown(letters, keys.state(CRUCIBLE)) > 0

    await_that(is_shown, "the crucible in Redis", told=pipeline.watcher.last_words)
    with pipeline.connect() as site:
        ((lsn,),) = site.execute("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint").fetchall()
    for number in range(3):
        letters.send(BEYOND + number, entered(ENTRY + number, lsn + number))
    letters.send(BEYOND + 9, b'{"op":"c"', Reason.NOT_JSON)
    letters.send(BEYOND + 10, entered(ENTRY + 10, lsn + 10), topic="elsewhere.public.CrucibleEntry")
    producer = Producer(letters.client)
    producer.produce(letters.topic, b"no letter")
    assert producer.flush(30) == 0

    foreseen = letters.replay("--all", "--dry-run", code=1)
    before = letters.counted()
    killed = letters.crucible("dlq", "replay", "--all", CRUCIBLE_FAILPOINT="replay.decided")
    taken = letters.replay("--all", code=1)
    entries = shown(letters, keys.entries(CRUCIBLE))
    again = letters.replay("--reason", "bad_row", code=1)
    listed = json.loads(letters.crucible("dlq", "list", "--left", "--json").stdout)
    shown_one = json.loads(letters.crucible("dlq", "show", "0@3", "--json").stdout)

    assert (foreseen["outcomes"], before) == ({"counted": 3, "foreign": 1, "refused": 1}, 0)
    assert (foreseen["not_letters"], killed.returncode) == (1, 128 + signal.SIGKILL)
    assert taken["outcomes"] == {"repeated": 3, "foreign": 1, "refused": 1}  # decided by the one that was killed
    assert (again["outcomes"], again["done_before"]) == ({"foreign": 1}, 3)
    assert (letters.counted(), entries) == (3, 3)
    assert [(one["letter"], one["became"]) for one in listed] == [("0@3", "refused"), ("0@4", "foreign")]
    assert (shown_one["tries"], shown_one["done"]) == (1, False)
    told = dead_letters_told(letters)
    assert "up to 3 letters" in told  # of six, three are done

    purged = json.loads(letters.crucible("dlq", "purge", "--yes", "--json").stdout)
    assert [(one["upto"], one["done"], one["stopped_by"]) for one in purged["partitions"]] == [(3, 3, "0@3")]
    assert KafkaAdmin(letters.client).bounds([(letters.topic, 0)]) == {(letters.topic, 0): (3, 6)}


def dead_letters_told(letters: Letters) -> str:
    found = json.loads(letters.crucible("doctor", "--json").stdout)
    return next(str(one["found"]) for one in found if one["name"] == "kafka.dead_letters")


def shown(letters: Letters, key: str) -> int:
    """Return how many fields a key of Redis has."""
    client = open_client(letters.environ["CRUCIBLE_REDIS__URL"], cluster=False, timeout=10.0)
    try:
        return int(client.hlen(key))
    finally:
        client.close()


def test_what_cannot_be_taken_is_told_with_the_next_command(letters: Letters) -> None:
    """Nothing there is no error; neighbours that are away are, and so is a command line that names no letter."""
    none = letters.replay("--all")
    unnamed = letters.crucible("dlq", "replay")
    admin = AdminClient(letters.client)  # it answers only as long as it lives
    compacted = NewTopic(letters.topic, 1, 1, config={"cleanup.policy": "compact"})
    admin.create_topics([compacted])[letters.topic].result(30)
    letters.send(BEYOND, b"\x00\x00\x00\x00\x07avro", Reason.UNKNOWN_SCHEMA)
    no_registry = letters.crucible("dlq", "replay", "--letter", "0@0", CRUCIBLE_REGISTRY__URL="http://127.0.0.1:9")
    unread = letters.crucible("dlq", "purge", "--before", "2030-01-01", "--json")

    refused = letters.crucible("dlq", "purge", "--before", "2030-01-01", "--yes")
    told = {one.name: one for one in dead_letters(KafkaAdmin(letters.client), letters.topic, "crucible-watcher")}

    assert (refused.returncode, "cleanup.policy=delete" in refused.stderr) == (1, True)
    assert told["kafka.dead_letters.policy"].level is Level.FAIL
    assert none["letters"] == []
    assert (unnamed.returncode, "--all" in unnamed.stderr) == (2, True)
    assert (no_registry.returncode, "registry" in no_registry.stderr, "again" in no_registry.stderr) == (75, True, True)
    assert unread.returncode == 1  # it asks, and nobody answers
    assert letters.crucible("dlq", "replay", "--letter", "0@77").returncode == 1
