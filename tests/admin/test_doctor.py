"""The doctor finds nothing where nothing is wrong, and each fault by name, with what to do.

Every test that breaks something is the control of the one that finds nothing. What it breaks in PostgreSQL, ClickHouse
or Redis the watcher that runs beside it does not get to see: it stands still meanwhile.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import psycopg
import pytest
import redis
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition

import config
import debezium
from demo.pipeline import Pipeline
from tests.admin.conftest import Site, assert_followed
from tests.awaiting import await_that
from watcher.admin.connector.file import ConnectorFile, read_connector_file
from watcher.admin.doctor.examine import examine
from watcher.admin.doctor.findings import Finding, Level, ok
from watcher.bootstrap.doctor import examine_everything
from watcher.clickhouse import client as clickhouse_client

Examine = Callable[..., dict[str, Finding]]
CONNECTOR = read_connector_file(debezium.CONNECTOR)


@pytest.fixture
def examined(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Run the doctor against the pipeline, with some settings changed."""

    def run(connector: ConnectorFile = CONNECTOR, **changed: str) -> dict[str, Finding]:
        for name in [name for name in os.environ if name.startswith("CRUCIBLE_")]:
            monkeypatch.delenv(name)
        for name, value in {**pipeline.environ, **changed}.items():
            monkeypatch.setenv(name, value)
        findings = list(examine_everything(config.load(), connector))
        assert len({finding.name for finding in findings}) == len(findings)
        return {finding.name: finding for finding in findings}

    return run


@pytest.fixture
def postgres(pipeline: Pipeline, unseen: None) -> Iterator[psycopg.Connection]:
    """The site's database, to break something in it."""
    with pipeline.connect() as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture
def clickhouse(pipeline: Pipeline, unseen: None) -> Iterator[Client]:
    """ClickHouse, to break something in it."""
    server = pipeline.endpoints
    client = clickhouse_client.connect(
        host=server.clickhouse_host or "",
        port=server.clickhouse_port or 0,
        username=server.clickhouse_user or "",
        password=server.clickhouse_password or "",
        database=server.clickhouse_database or "",
        secure=False,
        timeout=30,
    )
    yield client
    client.close()


@pytest.fixture
def store(pipeline: Pipeline, unseen: None) -> Iterator[redis.Redis]:
    """Redis, to break something in it."""
    with redis.Redis.from_url(pipeline.environ["CRUCIBLE_REDIS__URL"]) as client:
        yield client


def failures(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: one.found for name, one in findings.items() if one.level is Level.FAIL}


@contextmanager
def broken(run: Callable[[str], object], breaking: str, mending: str) -> Iterator[None]:
    run(breaking)
    try:
        yield
    finally:
        run(mending)


def test_a_healthy_pipeline_has_no_fault(pipeline: Pipeline, examined: Examine):
    """Every link is looked at, none fails, and no secret is said."""
    # The first heartbeat takes some seconds.
    await_that(lambda: failures(examined()) == {}, "no fault", 90, lambda: str(failures(examined())))

    found = examined()
    assert {name.split(".")[0] for name in found} == {"postgres", "connect", "watcher", "kafka", "clickhouse", "redis"}
    said = json.dumps([[one.found, one.advice] for one in found.values()])
    secrets = [pipeline.endpoints.postgres_password, pipeline.endpoints.clickhouse_password]
    assert [secret for secret in secrets if secret and secret in said] == []


@pytest.mark.parametrize(
    ("name", "breaking", "mending", "advice"),
    [
        (
            "postgres.replica_identity.Crucible",
            'ALTER TABLE public."Crucible" REPLICA IDENTITY DEFAULT',
            'ALTER TABLE public."Crucible" REPLICA IDENTITY FULL',
            "REPLICA IDENTITY FULL",
        ),
        (
            "postgres.publication",
            'ALTER PUBLICATION crucible DROP TABLE public."CrucibleEntry"',
            'ALTER PUBLICATION crucible ADD TABLE public."CrucibleEntry"',
            "replication.sql",
        ),
        (
            "postgres.publication",
            "ALTER PUBLICATION crucible SET (publish = 'insert, update, delete')",
            "ALTER PUBLICATION crucible SET (publish = 'insert, update, delete, truncate')",
            "insert, update, delete, truncate",
        ),
        (
            "postgres.heartbeat",
            "ALTER TABLE crucible_debezium.heartbeat RENAME TO other",
            "ALTER TABLE crucible_debezium.other RENAME TO heartbeat",
            "replication.sql",
        ),
        (
            "postgres.history",
            "UPDATE crucible_watcher.history SET timeline = timeline + 100",
            "UPDATE crucible_watcher.history SET timeline = timeline - 100",
            "`crucible history accept`, then `crucible reconcile --fix`",
        ),
    ],
)
def test_faults_of_postgres_are_named(
    examined: Examine, postgres: psycopg.Connection, name: str, breaking: str, mending: str, advice: str
):
    """Each of these loses changes or counts them wrongly, and looks healthy from afar."""
    with broken(postgres.execute, breaking, mending):  # type: ignore[arg-type]
        found = examined()[name]

    assert (found.level, advice in found.advice) == (Level.FAIL, True)
    assert name not in failures(examined())


def test_keys_that_cannot_be_read_are_a_fault(examined: Examine):
    """Whoever comes with a token of them is turned away; looked at where this process is told of any."""
    found = examined(CRUCIBLE_API__JWKS="/nowhere/keys.json")["api.jwks"]

    assert (found.level, "No such file" in found.found) == (Level.FAIL, True)


def test_what_was_parked_is_told(examined: Examine, postgres: psycopg.Connection):
    """A fee, prize or notice that nobody tries again."""
    insert = """INSERT INTO crucible_watcher.outbox (channel, kind, subject, key, payload, state)
                VALUES ('buzz', 'fee', 'entry:0', 'of-a-test', '{}', 'parked')"""
    delete = "DELETE FROM crucible_watcher.outbox WHERE key = 'of-a-test'"
    with broken(postgres.execute, insert, delete):  # type: ignore[arg-type]
        found = examined()["postgres.outbox"]

    assert (found.level, found.found) == (Level.WARN, "1 row of buzz parked: nobody tries again")
    assert examined()["postgres.outbox"].level is Level.OK


def test_letters_that_are_gone_with_their_topic_are_told(examined: Examine, postgres: psycopg.Connection):
    """What was refused is known to PostgreSQL, and the letters are not there."""
    insert = """INSERT INTO crucible_watcher.reconcile_needed
                       (source_table, reason, since, first_place, last_place, times)
                VALUES ('Crucible', 'dead_letter', now(), 'a', 'b', 1000000)
                ON CONFLICT (source_table, reason) DO UPDATE SET times = excluded.times"""
    delete = "DELETE FROM crucible_watcher.reconcile_needed WHERE times = 1000000"
    with broken(postgres.execute, insert, delete):  # type: ignore[arg-type]
        found = examined()["kafka.dead_letters.topic"]

    assert (found.level, "crucible reconcile --table Crucible --fix" in found.advice) == (Level.FAIL, True)


def test_a_publication_that_is_not_there_is_named(examined: Examine):
    """The one that the connector reads. Without it Debezium could not go on, so it is not the running one's."""
    other = replace(CONNECTOR, config={**CONNECTOR.config, "publication.name": "other"})
    found = examined(other)["postgres.publication"]

    assert (found.level, found.found) == (Level.FAIL, "there is no publication other")
    assert "replication.sql" in found.advice


def test_a_table_that_waits_for_a_comparison_is_told(examined: Examine, postgres: psycopg.Connection):
    """A snapshot or truncate leaves counts that the stream cannot tell; until compared, the doctor says so."""
    insert = "INSERT INTO crucible_watcher.reconcile_needed VALUES ('Crucible', 'truncate') ON CONFLICT DO NOTHING"
    delete = "DELETE FROM crucible_watcher.reconcile_needed WHERE reason = 'truncate'"
    with broken(postgres.execute, insert, delete):  # type: ignore[arg-type]
        found = examined()["postgres.reconcile.Crucible"]

    assert (found.level, found.found.split()[0]) == (Level.WARN, "truncate")


def test_a_table_that_waits_for_several_reasons_is_told_once(examined: Examine, postgres: psycopg.Connection):
    """Each reason with its place, the newest first."""
    insert = """INSERT INTO crucible_watcher.reconcile_needed
                       (source_table, reason, since, first_place, last_place, times)
                VALUES ('Crucible', 'key_change', now() + interval '1 hour', 'a', 'a', 1),
                       ('Crucible', 'cut_off', now() + interval '2 hours', 'b', 'c', 7)
                ON CONFLICT (source_table, reason) DO UPDATE
                   SET (since, first_place, last_place, times)
                     = (excluded.since, excluded.first_place, excluded.last_place, excluded.times)"""
    delete = "DELETE FROM crucible_watcher.reconcile_needed WHERE reason IN ('key_change', 'cut_off')"
    with broken(postgres.execute, insert, delete):  # type: ignore[arg-type]
        first, second, *_ = examined()["postgres.reconcile.Crucible"].found.split("; ")

    assert first.startswith("cut_off since ")
    assert first.endswith(": 7 from b to c")
    assert second.startswith("key_change since ")
    assert second.endswith(": a")


def test_drift_and_the_last_comparison_are_told(examined: Examine, postgres: psycopg.Connection):
    """What differs, with the command; and who has compared when, and found what."""
    insert = """INSERT INTO crucible_watcher.drift VALUES
                       ('Crucible', 0, 'missing', 3), ('Crucible', 65536, 'missing', 4);
                INSERT INTO crucible_watcher.reconcile_run (made_with, made_by, began, tables, found)
                VALUES ('command', 'me@here', now(), '{Crucible}', '{"Crucible": {"missing": 7}}')
                ON CONFLICT (made_with) DO UPDATE SET made_by = excluded.made_by, found = excluded.found"""
    delete = "DELETE FROM crucible_watcher.drift; DELETE FROM crucible_watcher.reconcile_run WHERE made_by = 'me@here'"
    with broken(postgres.execute, insert, delete):  # type: ignore[arg-type]
        found = examined()
        drift, last = found["postgres.drift.Crucible"], found["postgres.compared"]

    assert (drift.level, drift.found) == (Level.WARN, "7 missing as last compared")
    assert "`crucible reconcile --fix`" in drift.advice
    assert "by `crucible reconcile` (me@here) until " in last.found
    assert last.found.partition("(me@here)")[2].split("; ")[0].endswith(": Crucible 7 missing")
    assert "postgres.drift.Crucible" not in examined()


@pytest.mark.parametrize(
    ("name", "setting", "bad", "good"),
    [
        ("redis.eviction", "maxmemory-policy", "allkeys-lru", "noeviction"),
        ("redis.persistence", "appendonly", "no", "yes"),
    ],
)
def test_faults_of_redis_are_named(store: redis.Redis, examined: Examine, name: str, setting: str, bad: str, good: str):
    """A Redis that forgets loses ratings without an error anywhere."""
    with broken(lambda value: store.config_set(setting, value), bad, good):
        found = examined()[name]

    assert (found.level, f"CONFIG SET {setting} {good}" in found.advice) == (Level.FAIL, True)


def test_a_redis_that_answers_before_it_writes_is_named(store: redis.Redis, examined: Examine):
    """A power cut would cost votes that were answered; a kill would not, so it is a warning."""
    was = store.config_get("appendfsync")["appendfsync"]  # type: ignore[index]
    told = {}
    for value in ("everysec", "always"):
        with broken(lambda given: store.config_set("appendfsync", given), value, was):
            told[value] = examined()["redis.persistence"].level

    assert told == {"everysec": Level.WARN, "always": Level.OK}


def test_a_redis_that_searches_its_hashes_is_named(store: redis.Redis, examined: Examine):
    """It answers correctly, and slowly."""
    with broken(lambda given: store.config_set("hash-max-ziplist-entries", given), "512", "32"):
        slow = examined()["redis.hashes"]

    assert (slow.level, "hash-max-ziplist-entries 32" in slow.advice) == (Level.WARN, True)
    assert examined()["redis.hashes"].level == Level.OK


def test_a_clickhouse_that_forgets_tokens_is_named(clickhouse: Client, examined: Examine):
    """Without a window, an insert that is sent again counts twice."""
    alter = "ALTER TABLE entityMetricEvents MODIFY SETTING non_replicated_deduplication_window = "
    with broken(clickhouse.command, f"{alter}0", f"{alter}100000"):
        found = examined()["clickhouse.deduplication"]

    assert (found.level, "entityMetricEvents (0)" in found.found) == (Level.FAIL, True)


def test_tables_of_the_site_are_its_own_business(clickhouse: Client, examined: Examine):
    """Whatever they are called; but a view that counts our rows twice is told, and why."""
    clickhouse.command("CREATE TABLE pageViews_v2 (userId Int32) ENGINE = MergeTree ORDER BY userId")
    view = "CREATE MATERIALIZED VIEW site_view TO pageViews_v2 AS SELECT userId FROM entityMetricEvents"
    with broken(clickhouse.command, "SELECT 1", "DROP TABLE pageViews_v2"):
        before = examined()
        with broken(clickhouse.command, view, "DROP VIEW site_view"):
            found = examined()

    assert before["clickhouse.deduplication"].level is Level.OK
    assert "clickhouse.views_of_others" not in before
    assert found["clickhouse.deduplication"].level is Level.OK
    assert found["clickhouse.views_of_others"].level is Level.WARN
    assert ".pageViews_v2 behind " in found["clickhouse.views_of_others"].found


def test_a_column_of_another_type_is_named(clickhouse: Client, examined: Examine):
    """Rows are sent without types, and would be read as something else."""
    alter = "ALTER TABLE entityMetricEvents MODIFY COLUMN userId "
    with broken(clickhouse.command, f"{alter}Int64", f"{alter}Int32"):
        found = examined()["clickhouse.columns"]

    assert (found.level, "userId is Int64, expected Int32: ALTER TABLE" in found.found) == (Level.FAIL, True)


def test_a_database_without_tables_is_named(clickhouse: Client, examined: Examine):
    """Migrations come first."""
    with broken(clickhouse.command, "CREATE DATABASE doctor_empty", "DROP DATABASE doctor_empty SYNC"):
        found = examined(CRUCIBLE_CLICKHOUSE__DATABASE="doctor_empty")["clickhouse.schema"]

    assert (found.level, "pending" in found.found, found.advice) == (Level.FAIL, True, "`crucible migrate up`")


def test_a_connector_that_does_not_run_is_named(pipeline: Pipeline, examined: Examine):
    """Somebody has paused it: nothing comes, and nothing else looks wrong. The watcher looks after it too."""
    connector = f"{pipeline.environ['CRUCIBLE_CONNECT__URL']}/connectors/crucible"

    def put(state: str) -> None:
        httpx.put(f"{connector}/{state}", timeout=30).raise_for_status()

    looked_after = 'crucible_connector_tasks{connector="crucible",state="running"} 1.0'

    def is_looked_after() -> bool:
        assert_followed(pipeline)
        return looked_after in httpx.get(f"{pipeline.ops_url}/metrics").text

    await_that(is_looked_after, "the watcher to look after it", told=pipeline.watcher.last_words)
    with broken(put, "pause", "resume"):
        await_that(lambda: examined()["connect.tasks"].level is not Level.OK, "the pause to show")
        found = examined()["connect.tasks"]

    assert (found.level, "crucible connector resume" in found.advice) == (Level.FAIL, True)


def test_what_is_read_and_what_has_handlers_are_the_same(examined: Examine):
    """A topic without handlers is dead letters, a table whose topic nobody reads is not counted."""
    found = examined(CRUCIBLE_KAFKA__TOPICS="postgres.Crucible,postgres.CrucibleEntry,postgres.Nothing")

    assert found["kafka.tables"].level is Level.WARN
    assert "postgres.entry_verdict" in found["kafka.tables"].found
    assert "postgres.Nothing" in found["kafka.topics"].found


def test_a_group_that_has_read_everything_has_nothing_to_go(examined: Examine, site: Site):
    """What a transaction leaves at the end of a topic is no record."""
    site.make_topic(site.topic, 1)
    producer = Producer({**site.client, "transactional.id": site.topic, "transaction.timeout.ms": 10_000})
    producer.init_transactions()
    for _ in range(3):
        producer.begin_transaction()
        producer.produce(site.topic, b"{}", partition=0)
        producer.commit_transaction()
    consumer = Consumer({**site.client, "group.id": site.group})
    told = []
    for offset in (0, 5):  # of record, marker, record, marker, record, marker
        consumer.commit(offsets=[TopicPartition(site.topic, 0, offset)], asynchronous=False)
        found = examined(CRUCIBLE_KAFKA__TOPICS=site.topic, CRUCIBLE_KAFKA__GROUP=site.group)
        told.append(found["kafka.offsets"].found)
    consumer.close()

    assert told == ["1 of 1 partition committed, 3 records to go", "1 of 1 partition committed, nothing to go"]


def test_faults_of_kafka_are_named(examined: Examine, site: Site):
    """A compacted topic drops changes, a short retention loses them, a topic that is missing may be a typo."""
    site.make_topic(site.topic, 1, **{"cleanup.policy": "compact"})
    short = f"{site.topic}Entry"
    site.make_topic(short, 1, **{"retention.ms": "3600000"})
    site.make_topic(site.letters, 1)
    found = examined(
        CRUCIBLE_KAFKA__TOPICS=f"{site.topic},{short},missing",
        CRUCIBLE_KAFKA__GROUP=site.group,
        CRUCIBLE_DEAD_LETTERS__TOPIC=site.letters,
    )

    levels = {name: found[f"kafka.topic.{name}"].level for name in (site.topic, short, "missing")}
    assert levels == {site.topic: Level.FAIL, short: Level.WARN, "missing": Level.WARN}
    assert found["kafka.dead_letters.retention"].level is Level.WARN
    assert found["kafka.group"].level is Level.WARN


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("postgres", "CRUCIBLE_POSTGRES__DSN", "postgresql://u:hunter2@127.0.0.1:9/x"),
        ("connect", "CRUCIBLE_CONNECT__URL", "http://127.0.0.1:9"),
        ("kafka", "CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9"),
        ("registry", "CRUCIBLE_REGISTRY__URL", "http://127.0.0.1:9"),
        ("clickhouse", "CRUCIBLE_CLICKHOUSE__PORT", "9"),
        ("redis", "CRUCIBLE_REDIS__URL", "redis://:hunter2@127.0.0.1:9"),
    ],
)
def test_a_neighbour_that_is_away_hides_nothing_else(examined: Examine, name: str, variable: str, value: str):
    """Its own finding fails without its password, and the other neighbours are examined all the same."""
    found = examined(**{variable: value})

    assert found[name].level is Level.FAIL
    assert found[name].advice
    assert "hunter2" not in found[name].found
    others = {"postgres", "kafka", "clickhouse", "redis"} - {name}
    assert others <= {one.split(".")[0] for one in found if found[one].level is Level.OK}


def test_the_command_fails_when_something_does(pipeline: Pipeline):
    """Exit 1 for scripts, and --quiet leaves only what is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "watcher", "doctor", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **pipeline.environ, "CRUCIBLE_REDIS__URL": "redis://127.0.0.1:9", "NO_COLOR": "1"},
    )

    assert done.returncode == 1
    assert "FAIL  redis:" in done.stdout
    assert "ok    " not in done.stdout


def test_a_check_that_breaks_does_not_break_the_others():
    """A right that is missing for one question is a finding, and the next question is asked."""

    def refuses(_: str) -> list[Finding]:
        raise PermissionError("password=hunter2 is not enough")

    def answers(_: str) -> list[Finding]:
        return [ok("second", "fine")]

    found = list(examine("neighbour", lambda: "client", (refuses, answers), "ask for the right"))

    assert [(one.name, one.level) for one in found] == [("neighbour.refuses", Level.FAIL), ("second", Level.OK)]
    assert "hunter2" not in found[0].found
