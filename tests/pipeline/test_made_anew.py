"""The connector, its offsets and its slot, and the topics, are deleted and made anew: nothing counts twice.

The new connector reads both tables in a snapshot, and the new transactions come with a sequence that knows no past.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from redis import Redis

from demo import site
from demo.audit import audit
from demo.pipeline import SHUTDOWN_SECONDS, SLOT, Pipeline
from demo.places import Places
from tests.awaiting import await_that
from tests.clickhouse_clients import ClickHouseClients
from tests.command import crucible
from tests.pipeline.running import (
    PATIENCE_SECONDS,
    TABLES,
    await_agreement,
    consumed,
    count,
    delete_connector,
    drop_slot,
    live,
    logged,
    running,
    unsettled,
)
from watcher.runtime.failpoint import BACKFILL_PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator

UNSEEN = """INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId")
    SELECT crucible.id, image."userId", image.id FROM "Image" image
     CROSS JOIN (SELECT max(id) AS id FROM "Crucible") crucible
     ORDER BY image.id DESC LIMIT 40"""
TOPICS = [f"postgres.{table}" for table in TABLES]
COMMAND = re.compile(r"crucible (offsets reset --topic \S+ --to earliest)")
READ_BY_SNAPSHOT = "r"
BETWEEN_BEATS = r"beat \d+ at LSN \S+ \S+Z \.\. beat \d+ at LSN \S+ \S+Z"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The whole way, once."""
    with running(tmp_path_factory.mktemp("anew")) as pipeline:
        yield pipeline


@pytest.fixture
def pipeline(started: Pipeline) -> Pipeline:
    """The whole way, with a site that has lived a little and is counted."""
    if not started.watcher.is_alive():
        started.start_watcher()
    live(started)
    await_agreement(started.endpoints)
    return started


def standing(pipeline: Pipeline) -> dict[str, int]:
    """Rows in the site's tables."""
    with pipeline.connect() as connection:
        counts = connection.execute(
            """SELECT 'Crucible', count(*) FROM "Crucible"
            UNION ALL SELECT 'CrucibleEntry', count(*) FROM "CrucibleEntry" """
        )
        return {str(table): number for table, number in counts}


def await_snapshot(pipeline: Pipeline, rows: dict[str, int]) -> None:
    """Wait until the watcher has settled the snapshot's rows."""
    url = pipeline.ops_url
    await_that(
        lambda: all(consumed(url)[table, READ_BY_SNAPSHOT] >= rows[table] for table in rows) and unsettled(url) == 0,
        "the snapshot to be read",
        PATIENCE_SECONDS,
        lambda: f"read {consumed(url)}, expected {rows}. {pipeline.watcher.last_words()}",
    )


def end(pipeline: Pipeline) -> None:
    """Let everything arrive, stop the watcher as an operator does, and audit once more."""
    await_agreement(pipeline.endpoints)
    assert pipeline.watcher.stop(SHUTDOWN_SECONDS) == 0
    with Places.at(pipeline.endpoints) as places:
        report = audit(places)
    assert (str(report), report.lost, report.twice) == ("no disagreement", 0, 0)
    assert report.changes == logged(pipeline).total()


def lose_slot(pipeline: Pipeline) -> None:
    """Have somebody drop the slot while the connector rests; the connector, which knows its place in the log, stays."""
    connector = f"{pipeline.environ['CRUCIBLE_CONNECT__URL']}/connectors/{SLOT}"
    httpx.put(f"{connector}/stop", timeout=30).raise_for_status()
    drop_slot(pipeline)


def await_lost_beat(pipeline: Pipeline) -> None:
    """Wait until a beat was written: what falls between two of them leaves no hole in their numbers."""
    with pipeline.connect() as connection:
        connection.autocommit = True
        written = "SELECT max(number) FROM crucible_watcher.beat"
        before = connection.execute(written).fetchone()
        await_that(lambda: connection.execute(written).fetchone() != before, "a beat to be written", PATIENCE_SECONDS)


def test_a_slot_that_was_dropped(pipeline: Pipeline):
    """The doctor names two commands, after them the watcher follows on, and what fell into the hole is mended.

    The snapshot counts nothing and is said to leave a question.
    """
    lose_slot(pipeline)
    surroundings = {**os.environ, **pipeline.environ}
    found = json.loads(crucible("doctor", "--json", environ=surroundings).stdout)
    (slot,) = (one for one in found if one["name"] == "postgres.slot")
    failures = [one["name"] for one in found if one["level"] == "fail" and not one["follows_from"]]
    assert (failures, slot["found"]) == (["postgres.slot"], f"there is no slot {SLOT}"), found
    advised = re.findall(r"`crucible ([^`]+)`", slot["advice"].partition(", else ")[2])
    assert advised == ["connector delete --offsets", "connector apply"]
    with pipeline.connect() as site:
        site.execute(UNSEEN)  # nobody streams this
    await_lost_beat(pipeline)
    pipeline.crucible(*advised[0].split(), "--yes")
    rows = standing(pipeline)
    assert min(rows.values()) > 0
    pipeline.apply_connector()
    await_snapshot(pipeline, rows)
    for table in TABLES:
        assert count(pipeline.ops_url, "crucible_reconcile_needed", table=table, reason="snapshot") == 1
    await_that(
        lambda: bool(place(pipeline, "CrucibleEntry", "begun_anew")), "the new beginning to be noted", PATIENCE_SECONDS
    )
    assert re.fullmatch(BETWEEN_BEATS, place(pipeline, "CrucibleEntry", "begun_anew"))
    with Places.at(pipeline.endpoints) as places:
        assert audit(places).lost > 0
    mended = crucible("reconcile", "--fix", "--json", environ=surroundings, timeout=300)
    assert mended.returncode == 0, (mended.stdout, mended.stderr)
    assert sum(sum(one["mended"].values()) for one in json.loads(mended.stdout)["tables"]) > 0
    with pipeline.connect() as connection:
        assert connection.execute("SELECT * FROM crucible_watcher.reconcile_needed").fetchall() == []
    live(pipeline)
    await_agreement(pipeline.endpoints)
    again = crucible("reconcile", "--json", environ=surroundings)
    assert again.returncode == 0, again.stdout
    replayed = crucible("metrics", "replay", "--table", "CrucibleEntry", "--json", environ=surroundings)
    assert replayed.returncode == 0, replayed.stderr
    found = json.loads(replayed.stdout)
    assert found["changes"] > 0
    assert found["written"] == 0, found  # by the same handlers all changes of the topic are what was counted of them
    end(pipeline)


@pytest.mark.soak("takes two minutes")
def test_rows_that_were_there_before(pipeline: Pipeline):
    """They are counted once beside users who go on, though the backfill is killed at every place that it passes."""
    surroundings = {**os.environ, **pipeline.environ}
    lose_slot(pipeline)
    with pipeline.connect() as site:
        site.execute(UNSEEN)  # nobody streams this
    await_lost_beat(pipeline)
    pipeline.crucible("connector", "delete", "--offsets", "--yes")
    rows = standing(pipeline)
    pipeline.apply_connector()
    await_snapshot(pipeline, rows)
    with Places.at(pipeline.endpoints) as places:
        assert audit(places).lost > 0
    codes = []
    begun, compared, *others = BACKFILL_PLACES
    for place_to_die in (begun, compared, "repair.decided", *others, ""):
        live(pipeline)
        killed = {**surroundings, "CRUCIBLE_FAILPOINT": place_to_die} if place_to_die else surroundings
        done = crucible("backfill", "--table", "CrucibleEntry", "--json", environ=killed, timeout=300)
        codes.append(done.returncode)
    told = json.loads(done.stdout)

    assert codes == [128 + signal.SIGKILL] * (len(codes) - 1) + [0], done.stderr
    assert (told["state"], told["still_wrong"]) == ("done", 0)
    end(pipeline)


def state(pipeline: Pipeline, table: str) -> str:
    """Return the state that the watcher says the table's stream is in."""
    states = ("live", "idle", "stalled", "cut_off", "paused")
    shown = (one for one in states if count(pipeline.ops_url, "crucible_stream_state", table=table, state=one))
    return next(shown, "nobody answers")


def ready(pipeline: Pipeline) -> tuple[int, str]:
    """Return the status of the watcher's readiness, and what its check of the streams says."""
    answer = httpx.get(f"{pipeline.ops_url}/readyz", timeout=10)
    (stream,) = (one["detail"] for one in answer.json()["checks"] if one["name"] == "stream")
    return answer.status_code, stream


def place(pipeline: Pipeline, table: str, reason: str) -> str:
    """Return from where to where the watcher has noted that changes are missing."""
    found = """SELECT first_place || ' .. ' || last_place FROM crucible_watcher.reconcile_needed
                WHERE (source_table, reason) = (%s, %s)"""
    with pipeline.connect() as connection:
        row = connection.execute(found, (table, reason)).fetchone()
    return str(row[0]) if row else ""


def test_a_table_that_is_taken_out_of_the_publication(pipeline: Pipeline):
    """It is said of that table alone, at the next look, and leaves its place behind; the others go on."""
    with pipeline.connect() as site:
        site.autocommit = True
        site.execute('ALTER PUBLICATION crucible DROP TABLE public."CrucibleEntry"')
        await_that(lambda: state(pipeline, "CrucibleEntry") == "cut_off", "the table to be missed", 30.0)
        other = state(pipeline, "Crucible")
        await_that(lambda: ready(pipeline)[0] == 503, "readiness to look again", 30.0)
        refused = ready(pipeline)
        site.execute('ALTER PUBLICATION crucible ADD TABLE public."CrucibleEntry"')
        await_that(lambda: state(pipeline, "CrucibleEntry") != "cut_off", "the table to be back", 30.0)

    assert other in {"live", "idle"}
    assert refused[0] == 503
    assert refused[1].startswith("CrucibleEntry: cut_off")
    assert "LSN " in place(pipeline, "CrucibleEntry", "cut_off")
    assert place(pipeline, "Crucible", "cut_off") == ""


@pytest.mark.soak("takes two minutes")
def test_a_publication_that_is_gone_and_made_anew(pipeline: Pipeline):
    """PostgreSQL passes it over in silence and Debezium's heartbeat goes on: the beats tell, within two minutes."""
    with pipeline.connect() as connection:
        connection.autocommit = True
        connection.execute("DROP PUBLICATION crucible")
        await_that(lambda: {state(pipeline, one) for one in TABLES} == {"cut_off"}, "the streams to be missed", 120.0)
        refused = ready(pipeline)
        site.publish(connection)
    await_that(
        lambda: "cut_off" not in {state(pipeline, one) for one in TABLES}, "the streams to come again", PATIENCE_SECONDS
    )
    await_that(lambda: all(place(pipeline, one, "cut_off") for one in TABLES), "the hole to be noted", PATIENCE_SECONDS)

    assert refused[0] == 503
    assert pipeline.watcher.log.read_text().count('"stream.cut_off"') == 2  # with the table of the test before
    assert re.fullmatch(r"beat \d+ at .* \.\. (beat|LSN) .*", place(pipeline, "Crucible", "cut_off"))


def test_the_topics_too(pipeline: Pipeline):
    """The watcher stops and names a command for each topic; after the commands it goes on, and nothing counts twice."""
    delete_connector(pipeline)
    rows = standing(pipeline)
    kafka = AdminClient({"bootstrap.servers": str(pipeline.endpoints.bootstrap_servers), "log_level": 0})
    for deleted in kafka.delete_topics(TOPICS).values():
        deleted.result(30)
    pipeline.apply_connector()
    live(pipeline)
    told: list[str] = []
    for _ in TOPICS:
        await_that(
            lambda: not pipeline.watcher.is_alive(),
            "the watcher to stop",
            PATIENCE_SECONDS,
            pipeline.watcher.last_words,
        )
        assert pipeline.watcher.wait(1.0) == 1
        commands = COMMAND.findall(pipeline.watcher.log.read_text())
        assert commands, pipeline.watcher.last_words()
        told.append(commands[-1])
        pipeline.crucible(*commands[-1].split(), "--yes")
        pipeline.watcher.start()

    assert sorted(told) == [f"offsets reset --topic {topic} --to earliest" for topic in TOPICS]
    await_snapshot(pipeline, rows)
    end(pipeline)


@pytest.mark.soak("takes a minute")
def test_a_database_that_is_set_back_in_place(pipeline: Pipeline):
    """Nothing in PostgreSQL tells: the watcher stops all the same, names the commands, and after them it follows on."""
    postgres, url = pipeline.stack.postgres, pipeline.ops_url
    copy = postgres._data.with_name("older")
    postgres.kill()
    subprocess.run(["cp", "-a", postgres._data, copy], check=True)
    postgres.start()
    postgres.await_ready(PATIENCE_SECONDS)
    live(pipeline)
    await_agreement(pipeline.endpoints)
    postgres.kill()
    shutil.rmtree(postgres._data)
    copy.rename(postgres._data)
    postgres.start()
    postgres.await_ready(PATIENCE_SECONDS)
    await_that(
        lambda: not pipeline.watcher.is_alive(), "the watcher to stop", PATIENCE_SECONDS, pipeline.watcher.last_words
    )
    said = pipeline.watcher.log.read_text()
    assert pipeline.watcher.wait(1.0) == 1
    assert "set back in place" in said
    found = json.loads(crucible("doctor", "--json", environ={**os.environ, **pipeline.environ}).stdout)
    assert {"postgres.history", "connect.position"} <= {one["name"] for one in found if one["level"] == "fail"}

    pipeline.watcher.start()
    await_that(
        lambda: not pipeline.watcher.is_alive(), "it to stop again", PATIENCE_SECONDS, pipeline.watcher.last_words
    )
    delete_connector(pipeline)
    pipeline.apply_connector()
    pipeline.crucible("history", "accept", "--yes")
    pipeline.start_watcher()
    live(pipeline)
    with pipeline.connect() as connection:
        (newest,) = connection.execute('SELECT max(id) FROM "CrucibleEntry"').fetchone() or (0,)
    await_that(lambda: count(url, "crucible_events_applied_total", table="CrucibleEntry", op="c") > 0, "new changes")
    assert newest
    assert place(pipeline, "Crucible", "set_back").startswith("history 1, seen up to LSN ")


def test_tables_that_are_emptied(pipeline: Pipeline):
    """TRUNCATE names no rows: Redis lets go of all crucibles, and a command takes back what was counted of them."""
    clients = ClickHouseClients(pipeline.endpoints)
    totals = clients.of(str(pipeline.endpoints.clickhouse_database))

    def entries() -> int:
        asked = "SELECT sum(total) FROM metric_totals WHERE (entity_type, metric_type) = ('Crucible', 'Entry')"
        return int(totals.query(asked).result_rows[0][0])

    before = entries()
    with pipeline.connect() as connection:
        connection.execute('TRUNCATE "Crucible" CASCADE')
    redis = Redis.from_url(pipeline.environ["CRUCIBLE_REDIS__URL"])
    with redis:
        await_that(lambda: not redis.keys("crucible:*:elo"), "ratings of what is gone to leave Redis", PATIENCE_SECONDS)
    for table in TABLES:
        assert count(pipeline.ops_url, "crucible_reconcile_needed", table=table, reason="truncate") == 1
    mended = crucible("reconcile", "--fix", environ={**os.environ, **pipeline.environ}, timeout=300)

    assert before > 0
    assert (mended.returncode, "left_over" in mended.stdout) == (0, True), mended.stderr
    assert entries() == 0
    clients.close()
