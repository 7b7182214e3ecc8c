"""Rows that nobody has counted are read by the connector: shown, counted once, paused in between."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests import command
from tests.awaiting import await_that
from tests.clickhouse_clients import ClickHouseClients
from tests.forked import Forked
from tests.site_database import WATCHER_ROLE
from watcher.redis import keys
from watcher.redis.client import open_client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.pipeline import Pipeline

FIRST = 8_700_000
CRUCIBLE = FIRST
ROWS = 1_500
"""More than the connector reads at once (1024), so that a pause finds something left."""
PATIENCE_SECONDS = 120.0
PEOPLE = """
    INSERT INTO "User" (id, username) VALUES (8700000, 'by connector') ON CONFLICT DO NOTHING;
    INSERT INTO "Image" (id, "userId", url, "nsfwLevel", "updatedAt")
        VALUES (8700000, 8700000, 'by connector', 1, now()) ON CONFLICT DO NOTHING;
    INSERT INTO "Crucible" (id, "userId", name, "updatedAt") VALUES (8700000, 8700000, 'by connector', now())
"""
ENTER = """INSERT INTO "CrucibleEntry" (id, "crucibleId", "userId", "imageId")
           SELECT n, 8700000, 8700000, 8700000 FROM generate_series(%s::int, %s::int) n"""
UNSEEN = 'ALTER PUBLICATION crucible {} TABLE public."CrucibleEntry"'


class Backfilled:
    """The pipeline, and what was counted and shown of one crucible."""

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline, self._folder = pipeline, folder
        self.environ = {
            **os.environ,
            **pipeline.environ,
            "CRUCIBLE_POSTGRES__DSN": pipeline.role_dsn(WATCHER_ROLE),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        self._clients = ClickHouseClients(pipeline.endpoints)
        self._redis = open_client(self.environ["CRUCIBLE_REDIS__URL"], cluster=False, timeout=10.0)

    def run(self, *arguments: str) -> command.Done:
        """Run ``crucible backfill`` for the entries, to its end."""
        asked = ("backfill", "--table", "CrucibleEntry", *arguments)
        return command.crucible(*asked, environ=self.environ, timeout=300)

    def begin(self, **environ: str) -> Forked:
        """Begin one by the connector, and leave it running."""
        asked = ("watcher", "backfill", "--table", "CrucibleEntry", "--by-connector")
        given = {**self.environ, **environ}
        return Forked(asked, self._folder / "out", given, self._folder, self._folder / "errors")

    def said(self) -> str:
        """Return what the one that runs has said."""
        return (self._folder / "errors").read_text()

    def counted(self) -> dict[int, int]:
        """Return what was counted in sum: how many entries -> how often each counts for the crucible."""
        rows = self._clients.of("default").query(
            """SELECT n, count() FROM (
                   SELECT sourceKey, sum(metricValue) AS n FROM entityMetricEvents
                    WHERE entityId = 8700000 AND metricType = 'Entry' AND entityType = 'Crucible' GROUP BY sourceKey
               ) GROUP BY n"""
        )
        return {int(times): int(keys) for times, keys in rows.result_rows if times}

    def shown(self) -> int:
        """Return how many entries of the crucible Redis shows."""
        texts: list[bytes] = self._redis.hvals(keys.entries(CRUCIBLE))
        return sum(keys.entry_row(text) is not None for text in texts)

    def needed(self) -> list[tuple[str]]:
        """Return why the entries should be compared."""
        asked = "SELECT reason FROM crucible_watcher.reconcile_needed WHERE source_table = 'CrucibleEntry'"
        with self.pipeline.connect() as site:
            return site.execute(asked).fetchall()

    def state(self) -> str:
        """Return the state of the latest run."""
        told: list[dict[str, Any]] = json.loads(self.run("--status", "--json").stdout)
        return str(told[0]["state"]) if told else "none"

    def close(self) -> None:
        """Let go of the connections."""
        self._clients.close()
        self._redis.close()


@pytest.fixture
def backfilled(pipeline: Pipeline, tmp_path: Path) -> Iterator[Backfilled]:
    made = Backfilled(pipeline, tmp_path)
    yield made
    made.close()


@pytest.mark.soak("takes half a minute")
def test_rows_that_the_connector_reads_are_shown_and_counted_once(backfilled: Backfilled, pipeline: Pipeline) -> None:
    """What it reads counts nothing by itself; a row that the stream counted back meanwhile is right as well."""
    with pipeline.connect() as site:
        site.execute(PEOPLE)
        site.commit()
        site.execute(UNSEEN.format("DROP"))  # seen by nobody but the log
        site.execute(ENTER, (FIRST + 1, FIRST + ROWS))
        site.execute(UNSEEN.format("ADD"))
        site.commit()
        site.execute(ENTER, (FIRST + ROWS + 1, FIRST + ROWS + 5))
        site.execute('DELETE FROM "CrucibleEntry" WHERE id = %s', (FIRST + 1,))
        site.commit()
    await_that(
        lambda: backfilled.counted() == {1: 5, -1: 1},
        "the stream to count",
        PATIENCE_SECONDS,
        pipeline.watcher.last_words,
    )

    running = backfilled.begin(CRUCIBLE_FAILPOINT="backfill.begun:1:stop")
    await_that(lambda: backfilled.state() == "running", "the run", PATIENCE_SECONDS, backfilled.said)
    pipeline.crucible("connector", "pause")
    running.send(signal.SIGCONT)
    code = running.wait(PATIENCE_SECONDS)
    paused = backfilled.run("--pause")
    pipeline.crucible("connector", "resume")
    standing, other = backfilled.state(), backfilled.run()
    done = backfilled.run("--by-connector", "--json")
    needed = backfilled.needed()
    again = backfilled.run("--by-connector", "--json")

    assert (paused.returncode, code, standing) == (0, 1, "paused"), backfilled.said()
    assert "has not heard the signal yet" in backfilled.said()
    assert "is PAUSED: run `crucible connector resume`, then this again" in backfilled.said()
    assert (other.returncode, "--by-connector` goes on with it" in other.stderr) == (1, True)
    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    told, twice = json.loads(done.stdout), json.loads(again.stdout)
    assert (told["resumed"], told["mended"]["missing"], told["still_wrong"]) == (True, ROWS - 1, 0)
    assert told["sent"] >= ROWS + 4
    assert (twice["mended"], twice["sent"]) == ({}, told["sent"])
    assert (backfilled.counted(), backfilled.shown()) == ({1: ROWS + 4}, ROWS + 4)
    assert needed == []


def test_a_connector_that_cannot_be_asked_is_told_with_the_next_command(
    backfilled: Backfilled, pipeline: Pipeline
) -> None:
    """Nothing is begun then."""
    begun = backfilled.state()
    with pipeline.connect() as site:
        site.autocommit = True
        site.execute("REVOKE INSERT ON crucible_debezium.signal FROM crucible_watcher")
        try:
            refused = backfilled.run("--by-connector")
        finally:
            site.execute("GRANT INSERT ON crucible_debezium.signal TO crucible_watcher")
    nobody = backfilled.run("--stop")

    assert refused.returncode == 1
    assert "lacks INSERT on TABLE crucible_debezium.signal" in refused.stderr
    assert "watcher.sql" in refused.stderr
    assert (nobody.returncode, backfilled.state()) == (1, begun)


def test_a_connector_that_sends_nothing_is_not_waited_for(backfilled: Backfilled, pipeline: Pipeline) -> None:
    """It was paused, or a table's changes wait: what ends that is told at once, and nothing is begun."""
    begun = backfilled.state()
    pipeline.crucible("connector", "pause")
    try:
        rests = backfilled.run("--by-connector")
    finally:
        pipeline.crucible("connector", "resume")
    command.crucible("tables", "pause", "Crucible", environ=backfilled.environ)
    try:
        waits = backfilled.run("--by-connector")
    finally:
        command.crucible("tables", "resume", "Crucible", environ=backfilled.environ)

    assert (rests.returncode, waits.returncode, backfilled.state()) == (1, 1, begun), rests.stderr + waits.stderr
    assert "connector crucible is PAUSED: run `crucible connector resume`, then this again" in rests.stderr
    assert "table Crucible is paused since" in waits.stderr
    assert "`crucible tables resume Crucible`" in waits.stderr
