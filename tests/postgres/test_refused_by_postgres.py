"""What PostgreSQL refuses: what is said of it, and who waits for it to be mended."""

import queue
from functools import partial

import psycopg
import pytest
from psycopg import sql

from tests import site_database
from watcher.changes.journal import Journal
from watcher.cli.exits import FAILED, code_of
from watcher.migrations.postgres.migrate import ensure
from watcher.model.errors import RefusedError, TemporaryError
from watcher.postgres.faults import PostgresRefusedError, ViolationError
from watcher.postgres.kept_session import KeptSession
from watcher.postgres.own import history, marker
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
