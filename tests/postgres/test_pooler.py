"""Everything works through a pooler that hands connections on after each transaction, and nothing is left in them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from stack import Stack
from tests.postgres import pgbouncer
from tests.postgres.pgbouncer import Pooler
from tests.stack.watching import provided
from watcher.admin.doctor.examine import examine
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres import pooler as checks
from watcher.admin.doctor.postgres.server import server, wal_level
from watcher.migrations.lock import alone
from watcher.migrations.postgres.migrate import ensure
from watcher.model.errors import TemporaryError
from watcher.postgres.copying import copy_in, copy_out
from watcher.postgres.faults import PostgresRefusedError
from watcher.postgres.own import history, marker, reconcile_needed
from watcher.postgres.pool import SitePool
from watcher.postgres.session import open_session
from watcher.postgres.site.contests import unfinished
from watcher.postgres.site.images import SiteImages

LOCK = "crucible migrate pooled"
SETTINGS = "SHOW statement_timeout", "SHOW default_transaction_read_only", "SHOW transaction_read_only"


@pytest.fixture(scope="module")
def pooler(postgres: Stack) -> Iterator[Pooler]:
    """A pooler with one connection, which everybody gets in turn: what one leaves behind, the next one finds."""
    with (
        provided(),
        pgbouncer.running(str(postgres.endpoints.postgres_dsn), pool_mode="transaction", pool_size=1) as running,
    ):
        yield running


def settings_of(dsn: str) -> list[str]:
    """What another client of the pooler finds set."""
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as other:
        return [str(row[0]) for query in SETTINGS for row in other.execute(query)]


def test_reads_of_the_site_all_succeed(pooler: Pooler) -> None:
    """320 of 320, by two processes' pools, over one connection of the server's."""

    async def read() -> list[int]:
        async with SitePool(pooler.dsn, 8, 10.0) as first, SitePool(pooler.dsn, 8, 10.0) as second:
            pools = SiteImages(first.fetch), SiteImages(second.fetch)

            async def some(at: int) -> int:
                return sum([len(await pools[at % 2].images([1, 2, 3])) for _ in range(20)])

            return await asyncio.gather(*(some(at) for at in range(16)))

    assert asyncio.run(read()) == [60] * 16
    assert pooler.servers() == 1


def test_nothing_stays_set_for_the_next_client(pooler: Pooler, schema: str) -> None:
    """Neither a limit nor that one may only read, after reads, writes, a transaction, and what the server ended."""
    before = settings_of(pooler.dsn)

    async def read() -> None:
        async with SitePool(pooler.dsn, 1, 3.0) as pool:
            await pool.fetch("SELECT 1")
            with pytest.raises(TemporaryError):
                await pool.fetch("SELECT 1 / (SELECT 0)")

    asyncio.run(read())
    ensure(pooler.dsn, schema, 3.0)
    with open_session(pooler.dsn, schema, 1.0) as session:
        assert history.check(session) == 1
        with session.together():
            marker.remember(session, "g", "t", 0, "id")
        with pytest.raises(TemporaryError, match="statement timeout"):
            session.read("SELECT pg_sleep(5)")
        between = settings_of(pooler.dsn)

    assert before == ["0", "off", "off"]
    assert between == settings_of(pooler.dsn) == before


def test_two_clients_of_the_same_statements_do_not_meet(pooler: Pooler, schema: str) -> None:
    """Each asks so often that a driver would prepare a statement under a name, which the other would find taken."""
    ensure(pooler.dsn, schema)
    with open_session(pooler.dsn, schema) as one, open_session(pooler.dsn, schema) as other:
        for at in range(20):
            for session in (one, other):
                marker.remember(session, "g", "t", at, "id")
                reconcile_needed.note(session, "CrucibleEntry", "snapshot")
                unfinished(session, "Active")

        assert len(marker.load(one, "g")) == len(marker.load(other, "g")) == 20


def test_a_driver_that_prepares_does_meet_itself(pooler: Pooler) -> None:
    """The control: the pooler is one that hands connections on, and prepared statements do get mixed up in it."""
    with (
        psycopg.connect(pooler.dsn, autocommit=True, prepare_threshold=0) as one,
        psycopg.connect(pooler.dsn, autocommit=True, prepare_threshold=0) as other,
    ):
        one.execute("SELECT %s::integer", [1])
        with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
            other.execute("SELECT %s::integer", [1])


def test_what_is_set_for_a_session_does_stay(pooler: Pooler) -> None:
    """The control: a client that sets its limit for the session leaves it to the next one."""
    with psycopg.connect(pooler.dsn, autocommit=True) as careless:
        careless.execute("SET statement_timeout = '7s'")
    try:
        assert settings_of(pooler.dsn)[0] == "7s"
    finally:
        with psycopg.connect(pooler.dsn, autocommit=True) as careful:
            careful.execute("RESET statement_timeout")


def test_rows_by_the_million_leave_nothing_behind(pooler: Pooler, schema: str) -> None:
    """COPY in both directions by a temporary table, as a result is written; the next client finds none of it."""
    rows_in: Any = "COPY pg_temp.of_a_test FROM STDIN"
    rows_out: Any = "COPY (SELECT * FROM pg_temp.of_a_test WHERE id > %s ORDER BY id) TO STDOUT"
    with open_session(pooler.dsn, schema) as session:
        with session.patient(60.0), session.together():
            session.run("CREATE TEMPORARY TABLE of_a_test (id integer, note text) ON COMMIT DROP")
            copy_in(
                session, rows_in, ("".join(f"{n}\t\\N\n" for n in range(at, at + 100)) for at in range(0, 1_000, 100))
            )
            found = list(copy_out(session, rows_out, 997))
        with pytest.raises(RuntimeError, match="within together"):
            list(copy_out(session, rows_out, 1))
        assert session.read("SELECT to_regclass('pg_temp.of_a_test')") == [(None,)]

    assert found == [("998", None), ("999", None)]
    assert settings_of(pooler.dsn)[0] == "0"


def test_a_copy_has_the_limits_of_its_statements(pooler: Pooler, schema: str) -> None:
    """One that takes longer than a statement may is ended by the server."""
    slow: Any = "COPY (SELECT pg_sleep(30)) TO STDOUT"
    with (
        open_session(pooler.dsn, schema, 0.5) as session,
        pytest.raises(TemporaryError, match="statement timeout"),
        session.together(),
    ):
        list(copy_out(session, slow))


def test_a_lock_holds_until_its_transaction_ends(postgres: Stack, schema: str) -> None:
    """The migrations' lock stays with its holder, however many others come and go meanwhile."""
    with (
        provided(),
        pgbouncer.running(str(postgres.endpoints.postgres_dsn), pool_mode="transaction", pool_size=3) as pooler,
    ):
        with alone(pooler.dsn, schema, "pooled", 5.0, list[str]().append) as held:
            ensure(pooler.dsn, schema)
            for _ in range(10):
                with open_session(pooler.dsn, schema) as other, other.together():
                    ((free,),) = other.run("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", LOCK)
                    assert free is False
            held()
        with open_session(pooler.dsn, schema) as other, other.together():
            ((free,),) = other.run("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", LOCK)

    assert free is True


def test_a_pooler_that_knows_no_transactions_is_refused(postgres: Stack, schema: str) -> None:
    """With the setting to change: a lock or a block of statements would be none."""
    with (
        provided(),
        pgbouncer.running(str(postgres.endpoints.postgres_dsn), pool_mode="statement", pool_size=1) as pooler,
    ):
        with pytest.raises(PostgresRefusedError, match=r"statement pooling mode.*let pool_mode be transaction"):
            ensure(pooler.dsn, schema)
        with open_session(pooler.dsn, schema) as session:
            (found,) = examine("postgres", lambda: session, (checks.pooler, server, wal_level), "-")

    assert (found.name, found.level) == ("postgres.pooler", Level.FAIL)
    assert "let pool_mode be transaction or session" in found.found
    assert found.found.endswith("and with it 2 other checks of postgres")


def test_the_doctor_says_what_stands_between(pooler: Pooler, dsn: str, schema: str) -> None:
    """Nothing, or a pooler that keeps transactions together."""
    told = []
    for at in (dsn, pooler.dsn):
        with open_session(at, schema) as session:
            told += list(checks.pooler(session))

    assert [one.level for one in told] == [Level.OK] * 2
    assert [one.found.partition(":")[0].partition(" hands")[0] for one in told] == ["none", "a pooler"]


def test_options_of_the_connection_string_are_not_ours_to_drop(pooler: Pooler, schema: str) -> None:
    """A pooler that takes none says so, and the message says whose they are."""
    dsn = psycopg.conninfo.make_conninfo(pooler.dsn, options="-c work_mem=8MB")

    with (
        pytest.raises(PostgresRefusedError, match=r"unsupported startup parameter.*ignore_startup_parameters"),
        open_session(dsn, schema),
    ):
        pass
