"""The watcher's own schema, on a real PostgreSQL, as the role that the preparation makes."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial

import psycopg
import pytest
from psycopg import sql

from tests import site_database
from watcher.changes.journal import Journal
from watcher.cli.exits import FAILED, code_of
from watcher.migrations.postgres.migrate import ensure
from watcher.model.errors import HistoryChangedError, RefusedError, TemporaryError
from watcher.model.extent import Extent
from watcher.postgres.faults import PostgresRefusedError, ViolationError
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import history, marker, reconcile_needed, repair
from watcher.postgres.own.journal import PostgresJournalStore
from watcher.postgres.pool import SitePool
from watcher.postgres.session import open_session
from watcher.postgres.site.contests import unfinished
from watcher.runtime.deadline import Deadline
from watcher.runtime.retry import Retry, unfit
from watcher.runtime.worker import Signal, Task, Worker


def test_a_role_without_the_preparation_is_told_which_file_to_run(postgres, schema):
    """The message names the next command, and the daemon stops instead of trying for ever."""
    password = postgres.postgres.replication_password
    debezium = site_database.as_role(str(postgres.endpoints.postgres_dsn), site_database.DEBEZIUM_ROLE, password)

    with pytest.raises(PostgresRefusedError, match=r"permission denied.*debezium/postgres/watcher\.sql"):
        ensure(debezium, schema)


@pytest.mark.parametrize(
    "string",
    [
        "host=db nonsense=1",
        "host=db password=my sesame pw",
        "host=db password=my sesame=pw",
        "postgresql://u:%zzsesame@db/x",
    ],
)
@pytest.mark.parametrize("opened", [lambda dsn: ensure(dsn, "x"), lambda dsn: SitePool(dsn, 1, 1.0)])
def test_a_connection_string_that_nobody_can_read_names_its_key(string, opened):
    """The driver's complaint does not say which setting it is about, and quotes what may be a part of the password."""
    with pytest.raises(PostgresRefusedError, match=r"cannot read the connection string.*mend postgres\.dsn") as refused:
        opened(string)

    assert "sesame" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_wrong_password_stops_and_an_absent_server_does_not(dsn):
    """One will not get better by waiting."""
    wrong = psycopg.conninfo.make_conninfo(dsn, password="sesame")
    with pytest.raises(PostgresRefusedError, match=r"password authentication failed.*postgres\.dsn") as refused:
        ensure(wrong, "x")
    with pytest.raises(TemporaryError, match="postgres is away") as away:
        ensure("postgresql://u:sesame@127.0.0.1:9/x", "x")

    assert "sesame" not in str(refused.value) + str(away.value)


def test_markers_belong_to_a_group_and_keep_the_first_topic_id(session):
    """A topic made anew under its name shows as another id than the marker's."""
    marker.remember(session, "g", "t", 0, "id-1")
    marker.remember(session, "g", "t", 0, "id-2")
    marker.remember(session, "g", "u", 1, "id-3")
    marker.remember(session, "other", "t", 0, "id-2")

    assert marker.load(session, "g") == {("t", 0): "id-1", ("u", 1): "id-3"}


def test_forgetting_one_topic_leaves_the_others(session):
    """And forgetting all leaves the other groups."""
    for topic in ("t", "u"):
        marker.remember(session, "g", topic, 0, "id")
    marker.remember(session, "other", "t", 0, "id")

    assert marker.forget(session, "g", "t") == 1
    assert list(marker.load(session, "g")) == [("u", 0)]
    assert marker.forget(session, "g") == 1
    assert list(marker.load(session, "other")) == [("t", 0)]


def test_the_first_history_is_number_one_and_stays_it(session):
    """Nobody has to accept what nothing was counted before."""
    assert [history.check(session), history.check(session)] == [1, 1]
    assert [one.identity for one in history.accepted(session)] == [history.current(session)]


@pytest.mark.parametrize("column", ["system_identifier", "timeline"])
def test_another_system_or_timeline_stops_until_it_is_accepted(session, column):
    """A restore or failover may hand out log positions again; the number is raised by a person."""
    history.check(session)
    session.run(f"UPDATE {{schema}}.history SET {column} = {column} + 1")  # noqa: S608

    with pytest.raises(HistoryChangedError, match=r"`crucible history accept`.*then `crucible reconcile --fix`"):
        history.check(session)

    assert history.accept(session).number == 2
    assert history.accept(session).number == 2
    assert history.check(session) == 2


def test_the_identity_is_what_the_replication_protocol_says(postgres, session):
    """IDENTIFY_SYSTEM is the authority; the watcher's role may not ask it, so it is compared here."""
    with psycopg.connect(f"{postgres.endpoints.postgres_dsn}?replication=database", autocommit=True) as walsender:
        row = walsender.execute("IDENTIFY_SYSTEM").fetchone()

    assert history.current(session) == history.SourceIdentity(int(row[0]), int(row[1]))


def test_the_command_shows_and_accepts(session, dsn, schema):
    """`history show` exits with 1 while the histories differ."""

    def crucible(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "watcher", "history", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": "/usr/bin", "CRUCIBLE_POSTGRES__DSN": dsn, "CRUCIBLE_POSTGRES__WATCHER_SCHEMA": schema},
        )

    history.check(session)
    session.run("UPDATE {schema}.history SET timeline = 99")
    before, dry, done, after = (
        crucible(*a) for a in (["show"], ["accept", "--dry-run"], ["accept", "--yes"], ["show"])
    )

    assert [one.returncode for one in (before, dry, done, after)] == [1, 0, 0, 0], done.stderr
    assert "NOT accepted" in before.stdout
    assert "would accept" in dry.stdout
    assert done.stdout.startswith("history 2 is ")
    assert "as accepted" in after.stdout


def test_a_need_keeps_its_first_time(session):
    """Noted again and again, it is as old as it is."""
    reconcile_needed.note(session, "CrucibleEntry", "snapshot")
    (first,) = reconcile_needed.needs(session)
    reconcile_needed.note(session, "CrucibleEntry", "snapshot")
    reconcile_needed.note(session, "CrucibleEntry", "truncate")

    assert reconcile_needed.needs(session)[0].since == first.since
    assert [need.reason for need in reconcile_needed.needs(session)] == ["snapshot", "truncate"]


def test_a_need_that_grows_while_its_table_is_compared_stays(session):
    reconcile_needed.note(session, "Crucible", "dead_letter")
    reconcile_needed.note(session, "Crucible", "snapshot")
    ((began,),) = session.run("SELECT clock_timestamp()")
    reconcile_needed.note(session, "Crucible", "dead_letter")

    assert repair.mended(session, "Crucible", began, "ann@site") == ["snapshot"]
    assert [need.reason for need in reconcile_needed.needs(session)] == ["dead_letter"]
    assert repair.mended(session, "Crucible", began, "ann@site") == []
    logged = [(one.made_by, one.table, one.rows, dict(one.kinds)) for one in repair.log(session, 9)]
    assert logged == [("ann@site", "Crucible", 0, {"no comparison needed for snapshot any more": 0})]


def test_a_need_keeps_its_first_place_and_moves_its_last(session):
    """However many letters come, it is one row that says from where to where."""
    reconcile_needed.note(session, "Crucible", "dead_letter", Extent("t[0]@1", "t[0]@4", 3))
    reconcile_needed.note(session, "Crucible", "dead_letter", Extent("t[0]@9", "t[0]@9"))

    (found,) = [need.found for need in reconcile_needed.needs(session) if need.reason == "dead_letter"]
    assert found == Extent("t[0]@1", "t[0]@9", 4)


def test_what_is_done_together_is_undone_together(session):
    """A fault between two statements leaves neither."""

    def half_done():
        with session.together():
            marker.remember(session, "g", "t", 0, "id")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()

    assert marker.load(session, "g") == {}


def test_what_nobody_waits_for_costs_no_request_of_its_own(session, monkeypatch):
    """It goes out with the next statement, which sees it, or with the commit; a beginning goes with the first."""
    requests: list[str] = []
    execute = psycopg.ClientCursor.execute

    def counted(cursor, query, *rest, **more):
        requests.append(query)
        return execute(cursor, query, *rest, **more)

    monkeypatch.setattr(psycopg.ClientCursor, "execute", counted)
    with session.together():
        session.later("INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s) -- the first", "g", "t", 0, "a 100 %")
        session.later("INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s)", "g", "t", 1, "b")
        seen = session.run("SELECT count(*) FROM {schema}.marker")
        session.later("INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s)", "g", "t", 2, "c")
    with session.together():
        pass

    assert (seen, len(requests)) == ([(2,)], 2)
    assert sorted(marker.load(session, "g").values()) == ["a 100 %", "b", "c"]


def test_what_waits_is_undone_and_refused_with_the_rest(session):
    """Whether the fault is another's, in a part of it, or its own; and outside of a block nothing waits."""
    insert = "INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s)"

    def in_a_part():
        with session.together():
            session.later(insert, "g", "t", 1, "undone")
            raise ZeroDivisionError

    def twice():
        with session.together():
            session.later(insert, "g", "t", 4, "undone")
            session.later(insert, "g", "t", 0, "is there")

    def passed_over():
        with session.together():
            session.later(insert, "g", "t", 5, "undone")
            with suppress(ViolationError):
                session.run(insert, "g", "t", 0, "is there")

    session.later(insert, "g", "t", 0, "alone")
    with session.together():
        with pytest.raises(ZeroDivisionError):
            in_a_part()
        session.later(insert, "g", "t", 2, "kept")
    with pytest.raises(ZeroDivisionError):
        in_a_part()
    with pytest.raises(ViolationError, match="marker"):
        twice()
    with pytest.raises(TemporaryError, match="a statement had failed"):
        passed_over()

    assert sorted(marker.load(session, "g").values()) == ["alone", "kept"]


def test_values_that_a_column_does_not_take_end_a_start_and_a_command(session):
    """The same values are refused again, so nobody is told to try it again later."""
    with pytest.raises(ViolationError, match="out of range") as refused:
        session.run("INSERT INTO {schema}.marker VALUES (%s, %s, %s, %s)", "g", "t", 2**40, "a")

    assert unfit(1, refused.value)

    def again():
        raise refused.value

    assert code_of(again) == FAILED


def test_a_database_without_the_sites_tables_is_told_apart_from_one_without_ours(dsn, schema, session):
    """No start of the watcher makes the site's tables; its own it makes."""
    elsewhere = psycopg.conninfo.make_conninfo(dsn, dbname="template1")
    with open_session(elsewhere, schema) as empty:
        with pytest.raises(PostgresRefusedError, match=r"Crucible.*postgres\.dsn.*debezium/postgres/watcher\.sql"):
            unfinished(empty)
        with pytest.raises(PostgresRefusedError, match=r"history.*crucible migrate status"):
            history.accepted(empty)

    assert unfinished(session, "Active") == []


def _read_only(administrator, *, so):
    """What a provider does on a full disk; sessions that begin later are concerned."""
    name = sql.Identifier(psycopg.conninfo.conninfo_to_dict(administrator)["dbname"])
    with psycopg.connect(administrator, autocommit=True) as server:
        server.execute("SET default_transaction_read_only = off")
        server.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, so))


def _markers(dsn, schema):
    with open_session(dsn, schema) as session:
        return marker.load(session, "g")


def test_a_read_only_postgres_is_waited_for(own_database, schema):
    """What is new waits in memory, and a start waits too; once it is mended, all is written down."""
    administrator, dsn = own_database
    ensure(dsn, schema)
    remembered = PostgresJournalStore(dsn, schema, "g", 5.0)
    journal = Journal.load(remembered, pytest.fail, lambda _: None)
    _read_only(administrator, so=True)
    journal.remember(("t", 0), "id")

    with pytest.raises(TemporaryError, match="read-only transaction"):
        journal.turn()
    assert journal.failure is None
    assert ensure(dsn, schema) == []  # there is nothing to write
    with pytest.raises(TemporaryError, match="read-only transaction"):
        ensure(dsn, f"{schema}_new")
    with pytest.raises(TemporaryError, match="read-only transaction"):
        Journal.load(remembered, pytest.fail, lambda _: None)
    assert _markers(dsn, schema) == {}

    _read_only(administrator, so=False)
    journal.turn()
    assert _markers(dsn, schema) == {("t", 0): "id"}
    assert journal.failure is None


def _what_becomes_of(action):
    """Its outcome and how long it took; from another thread, so that a test does not hang with it."""
    outcome = []

    def act():
        try:
            outcome.append(action())
        except TemporaryError as error:
            outcome.append(error)

    began = time.monotonic()
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(15.0)
    return (outcome or ["still waiting"])[0], time.monotonic() - began


@pytest.fixture
def freeze():
    """Has the server's process of a session stand still until the end."""
    stopped = []

    def freeze(session):
        ((pid,),) = session.run("SELECT pg_backend_pid()")
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)

    yield freeze
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)


def test_a_server_that_falls_silent_is_given_up(dsn, schema, freeze):
    """Frozen, it keeps no time limit of its own; the next connection is served by another process."""

    def ask_twice():
        with open_session(dsn, schema, timeout=1.0) as session:
            freeze(session)
            with pytest.raises(TemporaryError, match="postgres is away: no answer within 2 s"):
                session.run("SELECT 1")
            session.run("SELECT 2")

    outcome, seconds = _what_becomes_of(ask_twice)

    assert isinstance(outcome, TemporaryError), outcome
    assert "the connection is closed" in str(outcome)  # else the first question's answer would be the second's
    assert 1.5 < seconds < 30
    with open_session(dsn, schema, timeout=1.0) as another:
        assert another.run("SELECT 1") == [(1,)]


def test_a_server_that_falls_silent_before_a_commit_is_given_up(dsn, session, schema, freeze):
    """What ends a block of statements waits no longer than they do."""

    def do_together():
        with open_session(dsn, schema, timeout=1.0) as silent, silent.together():
            marker.remember(silent, "g", "t", 0, "id")
            freeze(silent)

    outcome, seconds = _what_becomes_of(do_together)

    assert isinstance(outcome, TemporaryError), outcome
    assert "no answer within 2 s" in str(outcome)
    assert 1.5 < seconds < 30
    assert marker.load(session, "g") == {}  # so far: it may yet wake up and read on


def test_what_the_server_gives_up_itself_keeps_the_connection(dsn, schema):
    """The control: its limit comes first, and what takes long without reaching it is waited for."""
    with open_session(dsn, schema, timeout=2.0) as session:
        assert session.run("SELECT 1 FROM pg_sleep(1)") == [(1,)]
        with pytest.raises(TemporaryError, match="statement timeout"):
            session.run("SELECT pg_sleep(60)")
        assert session.run("SELECT 1") == [(1,)]


def test_a_host_that_is_lost_is_noticed_though_nobody_asks(dsn, schema):
    """The kernel probes it; by itself it begins after two hours, and routers forget a connection sooner."""
    with (
        open_session(dsn, schema, timeout=1.0) as session,
        socket.socket(fileno=os.dup(session._connection.fileno())) as tcp,
    ):
        names = "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"
        found = [tcp.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]

    assert found == [2, 2, 3, 6_000]


@pytest.mark.parametrize(
    ("breaks", "mends", "says"),
    [
        ("REVOKE SELECT ON kept.one FROM PUBLIC", "GRANT SELECT ON kept.one TO PUBLIC", "permission denied"),
        ("REVOKE USAGE ON SCHEMA kept FROM PUBLIC", "GRANT USAGE ON SCHEMA kept TO PUBLIC", "permission denied"),
        ("ALTER TABLE kept.one RENAME TO two", "ALTER TABLE kept.two RENAME TO one", "does not exist"),
        ("ALTER TABLE kept.one RENAME n TO m", "ALTER TABLE kept.one RENAME m TO n", "does not exist"),
        ("ALTER TABLE kept.one ALTER n TYPE text", "ALTER TABLE kept.one ALTER n TYPE int USING n::int", "operator"),
    ],
    ids=["right", "schema", "table", "column", "type"],
)
def test_what_is_refused_on_a_kept_session_ends_no_worker(postgres, dsn, breaks, mends, says):
    """It waits, and says so, until it is mended; a start with the same ends, and says why."""
    refused, went = queue.Queue(), queue.Queue()
    with psycopg.connect(str(postgres.endpoints.postgres_dsn), autocommit=True) as admin:
        admin.execute(
            "DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept; GRANT USAGE ON SCHEMA kept TO PUBLIC;"
            "CREATE TABLE kept.one (n int); GRANT SELECT ON kept.one TO PUBLIC"
        )

        class Reads(Task):
            retry = Retry(0.05, 0.05)

            def __init__(self):
                self.signal, self.session = Signal(), KeptSession(partial(open_session, dsn, "kept"))

            def turn(self):
                with self.session.kept() as session:
                    session.read("SELECT n FROM kept.one WHERE n + 1 > 0")
                went.put(True)
                return 0.05

            def away(self, error):
                refused.put(error)

            def end(self):
                self.session.drop()

        worker = Worker("reads", Reads(), pytest.fail)
        worker.start()
        went.get(timeout=30)
        admin.execute(breaks)
        error = refused.get(timeout=30)
        admin.execute(mends)
        while not went.empty():
            went.get()
        went.get(timeout=30)
        went.get(timeout=30)

        assert isinstance(error, RefusedError), error
        assert says in str(error)
        assert unfit(1, error)
        assert worker.refused is None
        assert worker.close(Deadline.after(30))
