"""Kafka Connect is killed under interleaved transactions and COPY, and each change still counts once.

With the worker's exactly-once setting off, Debezium sends again much of what it had sent, as a reader of the topics
sees that knows nothing of the watcher. With it on, Kafka takes back what the killed worker had not committed; even so a
change comes again now and then, where the kill cuts the COPY that a transaction begins with (Debezium counts the
transaction's begin, which has the same log position, as one of its rows). So nothing is asserted of it there, and the
watcher has to tell in both cases.

There are two places where Debezium itself loses rows, however it is stopped: after the first row of several of a COPY
that share a log position, and between the delete and the create of a changed key. The last tests here show them; the
others kill anywhere else.
"""

from __future__ import annotations

import itertools
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect import get_client

from demo.audit import audit
from demo.pipeline import SHUTDOWN_SECONDS
from demo.places import Places
from stack.ports import Ports
from stack.topology import Options
from tests.awaiting import await_that
from tests.command import crucible
from tests.pipeline.running import (
    PATIENCE_SECONDS,
    TABLES,
    ForkedProgram,
    await_agreement,
    await_settled,
    count,
    logged,
    running,
    scenes,
)
from tests.pipeline.source_position import Position, SourcePosition
from tests.pipeline.tape import Tape
from tests.reconcile.whole.books import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from psycopg import Connection

    from demo.pipeline import Pipeline
    from demo.program import OwnProgram

KILLS, KILLS_IN_EACH_RUN = 2, 1
"""Of each kind of worker: of `make soak`, and of a run without it."""
MOST_KILLS = 8
"""Until something came again, which three kills brought about whenever this was run."""
MOST_LOOKS = 60
"""For the place to kill at; it was found within six whenever this was run."""
RATE, RATE_IN_EACH_RUN = "300", "150"
"""Row changes a second, likewise: enough for a COPY of hundreds of rows every two or four seconds or so; each costs a
millisecond of a processor on its way."""
ENOUGH = 200
"""Changes that Debezium must have sent since its last start before it is killed: it is at work then."""
SITE_LASTS = "600"
STARTING_SECONDS = 30.0
COPIED = 3
"""Rows of one COPY in the test of what Debezium loses: of few, the first is the last delivered one more often."""
COPY = 'COPY "CrucibleEntry" (id, "imageId", "crucibleId", "userId") FROM STDIN'
IMPORTED = 1_000_000_000
"""Ids of what it copies, from this on."""
RENAMED = 1_500_000_000
"""Ids that one entry is given, from this on."""
WATCHER = ("-m", "watcher", "run")
NOT_ASKING = ("-m", "tests.acceptance.weakened", "asking,batch")
"""A watcher that neither asks ClickHouse what is there nor searches its batches."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, at rest: everything was delivered."""

    pipeline: Pipeline
    tape: Tape
    source: SourcePosition
    users: OwnProgram
    folder: Path


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Story]:
    """Connect killed while the site's users are at it: without its exactly-once setting, and then with it.

    In this order a kill is where one worker takes over from the other, as when an operator turns the setting on. The
    other way round it would lose rows: a worker without the setting also reads offsets that were never committed.
    """
    folder = tmp_path_factory.mktemp("killed")
    kills, rate = (KILLS, RATE) if pytestconfig.getoption("soak") else (KILLS_IN_EACH_RUN, RATE_IN_EACH_RUN)
    with (
        running(folder, Options(exactly_once_source=False, fsync=False)) as pipeline,
        Tape(str(pipeline.endpoints.bootstrap_servers)) as tape,
        SourcePosition(str(pipeline.endpoints.bootstrap_servers)) as source,
    ):
        users = pipeline.simulator(("--seconds", SITE_LASTS, "--rate", rate))
        connect = pipeline.stack.connect
        users.start()

        def kill() -> None:
            _kill(pipeline, tape, source, lambda at: not at.in_doubt, _standing_still(users))

        try:
            users.await_word(STARTING_SECONDS)
            for number in itertools.count(1):
                _await_work(pipeline, tape)  # what the kill before made come again is known by then
                connect.exactly_once = number >= kills and (tape.repeated > 0 or number == MOST_KILLS)
                kill()
                if connect.exactly_once:
                    break
            for _ in range(kills):
                kill()
            _await_work(pipeline, tape)
            assert users.stop(STARTING_SECONDS) == 0, users.last_words()
        finally:
            users.kill()
        committed = logged(pipeline)
        await_that(
            lambda: tape.delivered.total() == tape.wind() and len(tape.changes) >= committed.total(),
            "Debezium to deliver every change",
            PATIENCE_SECONDS,
            lambda: f"delivered {tape.distinct} of {committed}",
        )
        yield Story(pipeline, tape, source, users, folder)


@contextmanager
def _standing_still(users: OwnProgram) -> Iterator[None]:
    """The site's users do nothing, in the middle of their transactions.

    Else they would go on for the ten seconds and more that a worker needs to come up after a kill, and most of what is
    then delivered would prove nothing: it was not begun when the worker died.
    """
    users.send(signal.SIGSTOP)
    try:
        yield
    finally:
        users.send(signal.SIGCONT)


def _kill(
    pipeline: Pipeline,
    tape: Tape,
    source: SourcePosition,
    wanted: Callable[[Position], bool],
    meanwhile: AbstractContextManager[None],
) -> Position:
    """Kill the worker at work, at such a place, and have another come up; the place."""
    connect = pipeline.stack.connect
    for _ in range(MOST_LOOKS):
        _await_work(pipeline, tape)
        if position := source.freeze(connect, wanted):
            connect.kill()
            with meanwhile:
                connect.start()
                connect.await_ready(PATIENCE_SECONDS)
            return position
    pytest.fail(f"in {MOST_LOOKS} looks the worker was never at such a place")


def _await_work(pipeline: Pipeline, tape: Tape) -> None:
    before = tape.wind()
    await_that(
        lambda: tape.wind() >= before + ENOUGH, "Debezium to send", PATIENCE_SECONDS, pipeline.watcher.last_words
    )


def test_every_change_counts_once(story: Story):
    """However often it was killed, the site's log, the raw rows, the views and the ratings agree to the last change."""
    pipeline, tape = story.pipeline, story.tape
    done = scenes(story.users)

    assert min(done["copy_in"], done["open_transaction"], done["rolled_back"]) > 0
    assert tape.distinct == logged(pipeline)
    assert tape.repeated > 0
    await_settled(pipeline.ops_url, tape.delivered, pipeline.watcher)
    assert count(pipeline.ops_url, "crucible_dlq_events_total") == 0
    await_agreement(pipeline.endpoints)
    assert pipeline.watcher.stop(SHUTDOWN_SECONDS) == 0
    with Places.at(pipeline.endpoints) as places:
        report = audit(places)
    assert (str(report), report.lost, report.twice) == ("no disagreement", 0, 0)
    assert report.changes == len(tape.changes)


@pytest.mark.parametrize(
    ("program", "doubled"),
    [
        pytest.param(
            WATCHER, False, id="asking", marks=pytest.mark.soak("the test before shows it of the same stream")
        ),
        pytest.param(NOT_ASKING, True, id="not_asking"),
    ],
)
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
        # Without the verdicts: they are of the other watcher's schema, and no table of this one's.
        "CRUCIBLE_KAFKA__TOPICS": ",".join(f"postgres.{table}" for table in TABLES),
        "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": name,
        "CRUCIBLE_OPS__PORT": str(port),
    }
    watcher = ForkedProgram(f"watcher-{name}", program, story.folder, environ)
    with get_client(
        host=places.clickhouse_host,
        port=places.clickhouse_port,
        username=places.clickhouse_user,
        password=places.clickhouse_password or "",
    ) as client:
        client.command(f"CREATE DATABASE {name}")
    ForkedProgram(f"migrate-{name}", ("-m", "watcher", "migrate", "up"), story.folder, environ).run(PATIENCE_SECONDS)
    try:
        watcher.start()
        await_settled(f"http://127.0.0.1:{port}", story.tape.delivered, watcher)
        with Places.at(places) as own:  # crucibles whose entries came before them are built a little later
            await_that(lambda: audit(own).lost == 0, "every crucible to be shown", PATIENCE_SECONDS)
        assert watcher.stop(SHUTDOWN_SECONDS) == 0
    finally:
        watcher.kill()
        ports.close()
    with Places.at(places) as own:
        report = audit(own)

    assert report.lost == 0
    assert (report.twice > 0) is doubled, report
    assert report.ok is not doubled, report


@pytest.mark.soak("takes a minute, and is about Debezium")
def test_debezium_loses_the_rest_of_a_copy_cut_after_its_first_row(story: Story):
    """Where the others do not kill. Once this fails, Debezium was mended, and a known limit can go."""
    pipeline, tape = story.pipeline, story.tape
    lost: set[int] = set()
    with pipeline.connect() as connection, ThreadPoolExecutor(1) as importer:
        connection.autocommit = True
        enough, going = Event(), Event()
        going.set()
        importing = importer.submit(_import, connection, enough, going)
        try:
            for _ in range(MOST_KILLS):
                cut = _kill(pipeline, tape, story.source, lambda at: at.after_the_first_row_of_an_insert, _held(going))
                _await_work(pipeline, tape)
                tape.wind_to_end(
                    PATIENCE_SECONDS
                )  # what was sent after the rest is there, so the rest is, or never will be
                # None, when a page was full after that row: the others of the COPY then have a position of their own.
                if lost := _rest(tape, cut) - _delivered(tape):
                    break
        finally:
            enough.set()
            going.set()
        imported = importing.result()
    await_that(lambda: imported[-1] in _delivered(tape), "Debezium to deliver the last row", PATIENCE_SECONDS)
    tape.wind_to_end(PATIENCE_SECONDS)
    missing = set(imported) - _delivered(tape)

    assert lost
    assert missing == lost


@pytest.mark.soak("takes two minutes")
def test_debezium_loses_the_create_of_a_changed_key_and_it_is_missed(story: Story):
    """Killed between its delete and its create: the create never comes, the watcher says which, and it is mended."""
    pipeline, tape = story.pipeline, story.tape
    lost: set[int] = set()
    with pipeline.connect() as connection, ThreadPoolExecutor(1) as renaming:
        connection.autocommit = True
        enough, going = Event(), Event()
        going.set()
        done: list[int] = []
        renamed = renaming.submit(_rename, connection, enough, going, done)
        try:
            for _ in range(MOST_KILLS):
                _kill(pipeline, tape, story.source, lambda at: _half(tape, at), _held(going))
                _await_work(pipeline, tape)
                with _held(going):  # else some creates would only be on their way
                    await_that(
                        lambda: done[-1] in _created(tape), "Debezium to deliver the last create", PATIENCE_SECONDS
                    )
                    tape.wind_to_end(PATIENCE_SECONDS)
                    lost = _announced(tape) - _created(tape)
                if lost:
                    break
        finally:
            enough.set()
            going.set()
    renamed.result()
    (key,) = lost
    found = "SELECT first_place FROM crucible_watcher.reconcile_needed WHERE reason = 'key_change'"
    with pipeline.connect() as connection:
        connection.autocommit = True
        await_that(
            lambda: connection.execute(found).fetchone() is not None, "the create to be missed", PATIENCE_SECONDS
        )
        (place,) = connection.execute(found).fetchone() or ("",)
        there = {
            int(one) for (one,) in connection.execute('SELECT id FROM "CrucibleEntry" WHERE id >= %s', (IMPORTED,))
        }
    mended = crucible("reconcile", "--fix", environ={**os.environ, **pipeline.environ}, timeout=300)
    with Places.at(pipeline.endpoints) as places:
        counts = counted(places, there)

    assert str(place).endswith(f"key {key - 1} to {key}")
    assert (mended.returncode, counts) == (0, there), mended.stderr  # the rest of the COPY of the test before too


def _half(tape: Tape, at: Position) -> bool:
    """Return whether just the delete of the log record there is delivered; the worker stands still."""
    before = -1
    while before != tape.delivered.total():
        before = tape.delivered.total()
        tape.wind()
    return at.after_one_row_of_an_update and {op for _, _, op, lsn, _ in tape.changes if lsn == at.lsn} == {"d"}


def _rename(connection: Connection[Any], enough: Event, going: Event, done: list[int]) -> None:
    """Give one entry one key after the other until told, while it may go on; each is added when it is committed."""
    connection.execute("SET session_replication_role = replica")
    connection.execute(
        'INSERT INTO "CrucibleEntry" (id, "imageId", "crucibleId", "userId") VALUES (%s, %s, 1, 1)', (RENAMED, RENAMED)
    )
    key = RENAMED
    while not enough.is_set():
        going.wait()
        connection.execute('UPDATE "CrucibleEntry" SET id = %s WHERE id = %s', (key + 1, key))
        key += 1
        done.append(key)


def _announced(tape: Tape) -> set[int]:
    """Keys under which renamed rows had to go on, by their deletes."""
    return {key + 1 for table, key, operation, _, _ in tape.changes if key >= RENAMED and operation == "d"}


def _created(tape: Tape) -> set[int]:
    tape.wind()
    return {key for _, key, operation, _, _ in tape.changes if key >= RENAMED and operation == "c"}


def _rest(tape: Tape, cut: Position) -> set[int]:
    """The rows after the one at which it was cut, in the same COPY."""
    (last,) = (key for _, key, _, lsn, _ in tape.changes if lsn == cut.lsn)
    return set(range(last + 1, last + COPIED - (last - IMPORTED) % COPIED))


@contextmanager
def _held(going: Event) -> Iterator[None]:
    """The import waits."""
    going.clear()
    try:
        yield
    finally:
        going.set()


def _import(connection: Connection[Any], enough: Event, going: Event) -> list[int]:
    """COPY a few rows at a time until told, while it may go on; their ids. Nothing but the table takes part."""
    connection.execute("SET session_replication_role = replica")
    ids = itertools.count(IMPORTED)
    while not enough.is_set():
        going.wait()
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for key in itertools.islice(ids, COPIED):
                copy.write_row((key, key, 1, 1))
    return list(range(IMPORTED, next(ids)))


def _delivered(tape: Tape) -> set[int]:
    tape.wind()
    return {key for table, key, _, _, _ in tape.changes if table == "CrucibleEntry"}
