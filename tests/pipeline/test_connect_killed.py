"""Kafka Connect is killed under interleaved transactions and COPY, and each change still counts once.

With the worker's exactly-once setting off, Debezium sends again much of what it had sent, as a reader of the topics
sees that knows nothing of the watcher. With it on, Kafka takes back what the killed worker had not committed; even so a
change came again now and then (one in some 7,000 over a dozen kills, for a reason not known), so that nothing is
asserted of it there, and the watcher has to tell in both cases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from clickhouse_connect import get_client

from demo.audit import audit
from demo.pipeline import SHUTDOWN
from demo.places import Places
from demo.program import OwnProgram
from stack.ports import Ports
from stack.topology import Options
from tests.acceptance.daemon import await_that
from tests.pipeline.running import PATIENCE, await_agreement, await_settled, count, logged, running, scenes
from tests.pipeline.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.pipeline import Pipeline

KILLS = 3
MOST_KILLS = 8
"""Until something came again, which three kills brought about whenever this was run."""
RATE = "600"
"""Row changes a second, enough for a COPY of hundreds of rows every second or so."""
ENOUGH = 300
"""Changes that Debezium must have sent since its last start before it is killed: it is at work then."""
SITE_LASTS = "600"
STARTING = 30.0
WATCHER = ("-m", "watcher", "run")
NOT_ASKING = ("-m", "tests.acceptance.weakened", "asking,batch")
"""A watcher that neither asks ClickHouse what is there nor searches its batches."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, at rest: everything was delivered."""

    pipeline: Pipeline
    tape: Tape
    users: OwnProgram
    folder: Path


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Connect killed three times while the site's users are at it; the parameter is its exactly-once setting."""
    exactly_once, folder = bool(request.param), tmp_path_factory.mktemp("killed")
    with (
        running(folder, Options(exactly_once_source=exactly_once, fsync=False)) as pipeline,
        Tape(str(pipeline.endpoints.bootstrap_servers)) as tape,
    ):
        users = pipeline.simulator(("--seconds", SITE_LASTS, "--rate", RATE))
        users.start()
        try:
            users.await_word(STARTING)
            kills = 0
            while kills < KILLS or not (exactly_once or tape.repeated or kills == MOST_KILLS):
                _await_work(pipeline, tape)
                pipeline.stack.connect.kill()
                pipeline.stack.connect.start()
                pipeline.stack.connect.await_ready(PATIENCE)
                kills += 1
            _await_work(pipeline, tape)
            assert users.stop(STARTING) == 0, users.last_words()
        finally:
            users.kill()
        committed = logged(pipeline)
        await_that(
            lambda: tape.delivered.total() == tape.wind() and len(tape.changes) >= committed.total(),
            "Debezium to deliver every change",
            PATIENCE,
            lambda: f"delivered {tape.distinct} of {committed}",
        )
        yield Story(pipeline, tape, users, folder)


def _await_work(pipeline: Pipeline, tape: Tape) -> None:
    before = tape.wind()
    await_that(lambda: tape.wind() >= before + ENOUGH, "Debezium to send", PATIENCE, pipeline.watcher.last_words)


@pytest.mark.parametrize("story", [True, False], indirect=True, ids=["exactly_once_worker", "plain_worker"])
def test_every_change_counts_once(story: Story):
    """Killed three times: the log of the site, the raw rows, the views and the ratings agree to the last change."""
    pipeline, tape = story.pipeline, story.tape
    done = scenes(story.users)

    assert min(done["copy_in"], done["open_transaction"], done["rolled_back"]) > 0
    assert tape.distinct == logged(pipeline)
    assert tape.repeated > 0 or pipeline.stack.connect.exactly_once
    await_settled(pipeline.ops_url, tape.delivered, pipeline.watcher)
    assert count(pipeline.ops_url, "crucible_dlq_events_total") == 0
    await_agreement(pipeline.endpoints)
    assert pipeline.watcher.stop(SHUTDOWN) == 0
    with Places.at(pipeline.endpoints) as places:
        report = audit(places)
    assert (str(report), report.lost, report.twice) == ("no disagreement", 0, 0)
    assert report.changes == len(tape.changes)


@pytest.mark.parametrize("story", [False], indirect=True, ids=["plain_worker"])
@pytest.mark.parametrize(("program", "doubled"), [(WATCHER, False), (NOT_ASKING, True)], ids=["asking", "not_asking"])
def test_only_the_identity_check_keeps_it_from_counting_twice(story: Story, program: tuple[str, ...], doubled: bool):
    """The control: the same stream into tables of its own, found doubled by the same audit once nobody asks."""
    name = "doubled" if doubled else "once"
    places = replace(
        story.pipeline.endpoints,
        clickhouse_database=name,
        redis_url=str(story.pipeline.endpoints.redis_url).removesuffix("/0") + f"/{1 + doubled}",
    )
    ports = Ports()
    port = ports.take()
    environ = {
        **story.pipeline.environ,
        **places.environ(),
        "CRUCIBLE_KAFKA__GROUP": name,
        "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": name,
        "CRUCIBLE_OPS__PORT": str(port),
    }
    watcher = OwnProgram(f"watcher-{name}", program, story.folder, environ)
    with get_client(
        host=places.clickhouse_host,
        port=places.clickhouse_port,
        username=places.clickhouse_user,
        password=places.clickhouse_password or "",
    ) as client:
        client.command(f"CREATE DATABASE {name}")
    OwnProgram(f"migrate-{name}", ("-m", "watcher", "migrate", "up"), story.folder, environ).run(PATIENCE)
    try:
        watcher.start()
        await_settled(f"http://127.0.0.1:{port}", story.tape.delivered, watcher)
        assert watcher.stop(SHUTDOWN) == 0
    finally:
        watcher.kill()
        ports.close()
    with Places.at(places) as own:
        report = audit(own)

    assert report.lost == 0
    assert (report.twice > 0) is doubled, report
    assert report.ok is not doubled, report
