"""The pool of connections that requests read the site with: it never loses one, whatever becomes of who asked."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from structlog.testing import capture_logs

from stack import Stack
from watcher.model.errors import RefusedError, TemporaryError
from watcher.postgres.pool import MAX_WAITING, PoolBusyError, SitePool
from watcher.postgres.session import open_session

SIZE = 8


async def settled(pool: SitePool) -> None:
    """Wait until nothing is being read, for callers who have left."""
    if pool._reading:
        await asyncio.wait(pool._reading, timeout=30)
    assert not pool._reading


async def all_free(pool: SitePool) -> tuple[int, int]:
    """How many statements run at once when as many as there are connections are asked for, and how many wait."""
    pool._timeout = 20.0  # on a machine that is busy with other tests
    for connection in pool._pool._pool:
        connection.patience = 40.0
    rows = await asyncio.gather(*(pool.fetch("SELECT pg_backend_pid() AS pid, pg_sleep(0.5)") for _ in range(SIZE)))
    return len({row[0]["pid"] for row in rows}), pool._queue.waiting


def served(dsn: str, timeout: float, work: Callable[[SitePool], Awaitable[None]], size: int = SIZE) -> tuple[int, int]:
    """Do the work, then see whether all connections are free."""

    async def run() -> tuple[int, int]:
        async with SitePool(dsn, size, timeout) as pool:
            await work(pool)
            await settled(pool)
            return await all_free(pool)

    return asyncio.run(run())


@pytest.mark.parametrize("timeout", [0.05, 0.2, 1.0])
def test_a_fetch_that_times_out_gives_its_connection_back(dsn: str, timeout: float) -> None:
    """20,000 at once, of which most are refused and some give up just while their connection is on its way back."""

    async def work(pool: SitePool) -> None:
        asked = []
        for at in range(20_000):
            asked.append(asyncio.ensure_future(pool.fetch("SELECT 1")))
            if at % 2:
                await asyncio.sleep(0)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        failed = [one for one in answers if isinstance(one, BaseException)]
        assert {type(one) for one in failed} <= {TemporaryError, PoolBusyError}

    assert served(dsn, timeout, work) == (SIZE, 0)


def test_a_caller_that_leaves_gives_its_connection_back(dsn: str) -> None:
    """Cancelled at every step of the way: before a place is free, at work, and when the answer is there."""

    async def work(pool: SitePool) -> None:
        for turns in range(40):
            asked = [asyncio.ensure_future(pool.fetch("SELECT pg_sleep(0.001)")) for _ in range(2 * SIZE)]
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.sleep(0.0002 * turns)  # time is what is tested: each round is cancelled a little later
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    assert served(dsn, 5.0, work) == (SIZE, 0)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgres: Stack, dsn: str) -> None:
    """Within the time that its caller has, without another connection to say so; and its own connection stays."""
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"

    async def work(pool: SitePool) -> None:
        before = (await pool.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            await pool.fetch("SELECT pg_sleep(60)")
        assert time.monotonic() - began < 30.0
        await settled(pool)
        assert (await pool.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"] == before
        with psycopg.connect(str(postgres.endpoints.postgres_dsn)) as looking:
            assert looking.execute(running).fetchall() == [(0,)]

    async def run() -> None:
        async with SitePool(dsn, 1, 1.0) as pool:
            await work(pool)

    asyncio.run(run())


def test_a_server_that_falls_silent_costs_a_connection_and_no_place(dsn: str) -> None:
    """Frozen, it says nothing: the caller is told in time, and another connection takes the place of that one."""

    async def run() -> tuple[list[int], float]:
        async with SitePool(dsn, 1, 1.0) as pool:
            frozen = (await pool.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]
            os.kill(frozen, signal.SIGSTOP)
            try:
                began = time.monotonic()
                with pytest.raises(TemporaryError, match="no answer within 1 s"):
                    await pool.fetch("SELECT 1")
                waited = time.monotonic() - began
                await settled(pool)
                return [frozen, (await pool.fetch("SELECT pg_backend_pid() AS pid"))[0]["pid"]], waited
            finally:
                os.kill(frozen, signal.SIGCONT)

    (before, after), waited = asyncio.run(run())

    assert before != after
    assert waited < 20.0


def test_who_waits_is_bounded(dsn: str) -> None:
    """Beyond the bound a request fails at once, not when nobody listens any more."""

    async def run() -> int:
        async with SitePool(dsn, 1, 5.0) as pool:
            asked = [asyncio.ensure_future(pool.fetch("SELECT pg_sleep(0.2)")) for _ in range(1 + MAX_WAITING)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            began = time.monotonic()
            with pytest.raises(PoolBusyError, match="waiting for a connection"):
                await pool.fetch("SELECT 1")
            assert time.monotonic() - began < 4.0
            for one in asked:
                one.cancel()
            return len(await asyncio.gather(*asked, return_exceptions=True))

    assert asyncio.run(run()) == 1 + MAX_WAITING


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "not-the-password"}, "password authentication failed"),
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_a_server_that_takes_no_connection_refuses_and_is_not_away(dsn: str, wrong: dict[str, str], words: str) -> None:
    """It is said long before the time is over, with the setting to mend; a host that nobody is at is away."""

    async def refused(given: str, seconds: float) -> TemporaryError:
        async with SitePool(given, 1, seconds) as pool:
            with pytest.raises(TemporaryError) as caught:
                await pool.fetch("SELECT 1")
        return caught.value

    begun = time.monotonic()
    with capture_logs() as logs:
        fault = asyncio.run(
            refused(psycopg.conninfo.make_conninfo(**{**psycopg.conninfo.conninfo_to_dict(dsn), **wrong}), 100.0)
        )
    took = time.monotonic() - begun
    away = asyncio.run(refused(psycopg.conninfo.make_conninfo(dsn, port=1), 1.0))

    assert (type(fault), words in str(fault), "check postgres.dsn" in str(fault)) == (RefusedError, True, True)
    assert took < 50
    assert [line["event"] for line in logs] == ["neighbour.refuses"]
    assert type(away) is TemporaryError


def test_it_only_reads(dsn: str, schema: str) -> None:
    """The server is told so for each statement, whatever the role may do."""

    async def run() -> None:
        async with SitePool(dsn, 1, 5.0) as pool:
            with pytest.raises(TemporaryError, match="ReadOnlySqlTransaction"):
                await pool.fetch(f"CREATE TABLE {schema}.made (id integer)")

    asyncio.run(run())


@pytest.mark.parametrize("attributes", ["read-write", "primary"])
def test_the_primary_is_found_among_hosts(postgres: Stack, dsn: str, attributes: str) -> None:
    """``target_session_attrs`` asks whether a session may write: that ours only reads is said later."""
    asking = psycopg.conninfo.make_conninfo(dsn, target_session_attrs=attributes)

    async def run() -> list[dict[str, int]]:
        async with SitePool(asking, 1, 5.0) as pool:
            return await pool.fetch("SELECT 1 AS one")

    assert asyncio.run(run()) == [{"one": 1}]
    with open_session(asking, "any") as session:
        assert session.read("SELECT 1") == [(1,)]


def test_options_of_the_connection_string_hold_for_both(postgres: Stack, dsn: str) -> None:
    """Of the user's options none is dropped, and the name under which the connection is listed may be one of them."""
    given = psycopg.conninfo.make_conninfo(dsn, options="-c work_mem=7MB", application_name="of-the-site")
    query = "SELECT current_setting('work_mem') AS memory, current_setting('application_name') AS name"

    async def run() -> list[dict[str, str]]:
        async with SitePool(given, 1, 5.0) as pool:
            return await pool.fetch(query)

    with open_session(given, "any") as session:
        assert session.read(query) == [("7MB", "of-the-site")]
    assert asyncio.run(run()) == [{"memory": "7MB", "name": "of-the-site"}]
    with open_session(dsn, "any") as session:
        assert session.read(query)[0][1] == "crucible-watcher"


def test_a_moment_without_end_is_no_moment(postgres: Stack, dsn: str) -> None:
    """PostgreSQL holds ``infinity``, which the driver refuses by itself."""
    query = "SELECT 'infinity'::timestamp AS a, 'infinity'::timestamptz AS b, timestamp '2026-01-31' AS c"
    beyond = [
        f"'{moment}'::{kind}"
        for moment in ("10000-01-01", "infinity", "0044-03-15 BC", "-infinity")
        for kind in ("timestamp", "timestamptz", "date")
    ]

    async def run() -> list[dict[str, object]]:
        async with SitePool(dsn, 1, 5.0) as pool:
            return await pool.fetch(query)

    with open_session(dsn, "any") as session:
        ((first, second, third),) = session.read(query)
    assert (first, second, third.isoformat()) == (None, None, "2026-01-31T00:00:00")
    assert list(asyncio.run(run())[0].values()) == [first, second, third]
    with open_session(dsn, "any") as session:
        (row,) = session.read(f"SELECT {', '.join(beyond)}")  # type: ignore[arg-type] # a test's own
    assert [value and value.year for value in row] == [None] * 6 + [1] * 6
    with (
        psycopg.connect(str(postgres.endpoints.postgres_dsn)) as plain,
        pytest.raises(psycopg.DataError, match="timestamp too large"),
    ):
        plain.execute("SELECT 'infinity'::timestamp").fetchall()
