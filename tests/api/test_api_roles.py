"""How the role lives: both roles in one process, the drain beside it, a port that is taken."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from stack.ports import Ports
from tests import site_database
from tests.acceptance.daemon import Daemon
from tests.api.site import Api, Site, bearer
from tests.awaiting import await_that
from tests.postgres import pgbouncer
from tests.stack.watching import provided
from watcher.bootstrap.drain_process import NICE


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    # Not from /proc's ``children``: that misses some while threads come and go.
    return [child.pid for child in psutil.Process(pid).children()]


def links(site: Site, api: Api) -> int:
    """Connections of the process, without its children, to ClickHouse."""
    opened = psutil.Process(api.daemon.pid).net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == site.stack.clickhouse.port for each in opened)


OFTEN = {"entries", "journal", "outbox", "outbox-notify", "outbox-count", "endings"}
"""Workers that ask PostgreSQL every few seconds, of the roles watch and settle."""


def told(api: Api) -> str:
    """What neighbours refuse to the process' workers."""
    return str(api.daemon.ready()["workers"]["detail"])


def refused(api: Api) -> set[str]:
    """Those of them that PostgreSQL refuses."""
    names = re.findall(r"(?:^|; )([a-z-]+(?:, [a-z-]+)*): postgres: ", told(api))
    return {name for some in names for name in some.split(", ")}


def test_the_drain_is_started_again(site: Site) -> None:
    """Its process is killed, and votes reach ClickHouse all the same; it goes when the API goes, however that ends."""
    api = site.api()
    contest, judge = site.contest(), site.user()
    await_that(lambda: children(api.daemon.pid), "a drain is there", 30)
    (first,) = children(api.daemon.pid)
    patient = min(os.getpriority(os.PRIO_PROCESS, api.daemon.pid) + NICE, 19)
    await_that(lambda: os.getpriority(os.PRIO_PROCESS, first) == patient, "votes are answered first", 30)

    os.kill(first, signal.SIGKILL)
    assert api.vote(contest, judge, api.pair(contest, judge)).status_code == 200
    await_that(lambda: api.get("/v1/judges/me", judge).json()["votes"] == 1, "the vote is drained", 30)
    # Not at once: the drain of another process on this Redis may have been faster than the one that is started again.
    await_that(lambda: set(children(api.daemon.pid)) - {first}, "a drain is there again", 30)
    (second,) = set(children(api.daemon.pid)) - {first}
    api.daemon.kill()

    await_that(lambda: not Path(f"/proc/{second}").exists(), "the drain has ended with its parent", 30)


def test_a_port_that_is_taken(site: Site) -> None:
    """Said at once, with the setting's name; exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = Daemon(
            {**site.environ, "CRUCIBLE_API__PORT": str(port)}, site.folder, ("watcher", "run", "--role", "api")
        )

        assert daemon.await_exit(30) == 1
    assert "api.port" in daemon.text()


@pytest.fixture(scope="module")
def splitting() -> Iterator[Callable[[str], str]]:
    """Give a function from a database's connection string to that of a pooler before it, of single statements."""
    with ExitStack() as opened:
        opened.enter_context(provided())
        yield lambda dsn: opened.enter_context(pgbouncer.running(dsn, pool_mode="statement", pool_size=1)).dsn


@pytest.mark.parametrize("role", ["api", "settle", "watch"])
def test_no_role_starts_behind_a_pooler_that_takes_transactions_apart(
    site: Site, splitting: Callable[[str], str], role: str
) -> None:
    """With the setting to change; for single statements pass, and it would look well until something is to be noted."""
    pooled = splitting(str(site.stack.endpoints.postgres_dsn))
    environ = {
        **site.environ,
        "CRUCIBLE_POSTGRES__DSN": pooled,
        "CRUCIBLE_SETTLE__DSN": pooled,
        "CRUCIBLE_BUZZ__URL": "http://127.0.0.1:9",  # nobody's, and not asked for
    }
    daemon = Daemon(environ, site.folder, ("watcher", "run", "--role", role))

    assert daemon.await_exit(30) == 1
    last = [json.loads(line) for line in daemon.text().splitlines()][-1]  # each is one, whoever wrote it
    assert (last["event"], last["why"]) == ("process.ended", "stopped")
    assert "let pool_mode be transaction or session" in last["error"]


def test_an_api_starts_while_postgres_is_away(site: Site) -> None:
    """The control: what stands before it is looked at where somebody answers, and nobody waits for it else."""
    with Ports() as ports:
        nobody = f"postgresql://a:b@127.0.0.1:{ports.take()}/c"
        api = Api({**site.environ, "CRUCIBLE_POSTGRES__DSN": nobody}, site.folder, ready=False)
        try:
            await_that(lambda: api.daemon.events("api.listening"), "it listens", 30, api.daemon.last_words)
            assert api.daemon.ready()["postgres"]["ok"] is False
        finally:
            api.daemon.kill()


def test_the_role_is_a_setting_too(site: Site) -> None:
    """``run.role``; the command line outranks it."""
    environ = {**site.environ, "CRUCIBLE_RUN__ROLE": "api"}
    daemon = Daemon(environ, site.folder, ("watcher", "run"))
    try:
        port = daemon.await_event("api.listening", 30)["port"]
        await_that(lambda: httpx.get(f"http://127.0.0.1:{port}/openapi.json").status_code == 200, "it answers", 30)
    finally:
        code = daemon.terminate()

    assert code == 0


@contextmanager
def no_rights(site: Site) -> Iterator[None]:
    """Both roles may look at nothing, the watcher's own tables included; open sessions stay."""
    site.postgres.execute("REVOKE USAGE ON SCHEMA public, crucible_watcher FROM PUBLIC, crucible_watcher")
    try:
        yield
    finally:
        site.postgres.execute("GRANT USAGE ON SCHEMA public TO PUBLIC, crucible_watcher")
        site.postgres.execute("GRANT USAGE, CREATE ON SCHEMA crucible_watcher TO crucible_watcher")


def test_all_roles_in_one_process(site: Site) -> None:
    """Without a broker the watch role waits, votes are taken, and rights that go end nothing; one signal ends all."""
    with Ports() as ports:
        nobody = f"127.0.0.1:{ports.take()}"
        settles = site_database.as_role(str(site.stack.endpoints.postgres_dsn), "crucible_settle")
        site.postgres.execute(f"ALTER ROLE crucible_settle PASSWORD '{site_database.PASSWORD}'")
        others = {
            "CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS": nobody,
            "CRUCIBLE_SETTLE__DSN": settles,
            "CRUCIBLE_BUZZ__URL": f"http://{nobody}",
            "CRUCIBLE_SETTLEMENT__MODE": "on",
        }
        api = Api({**site.environ, **others}, site.folder, "all", ready=False)
        site.started.append(api)
        contest, judge = site.contest(), site.user()

        counted = api.vote(contest, judge, api.pair(contest, judge))
        live = httpx.get(f"http://127.0.0.1:{api.ops}/livez", timeout=10).json()
        said = api.daemon.ready()  # each stands there once
        with no_rights(site):
            await_that(lambda: refused(api) >= OFTEN, "all that work often are refused", 90, lambda: told(api))
            api.daemon.await_event("neighbour.refuses", neighbour="workers")
        await_that(lambda: not refused(api), "they work again", 120, lambda: told(api))
        code = api.close()

    assert counted.status_code == 200, counted.text
    assert {check["name"] for check in live["checks"]} == {"loop", "api"}
    assert {"postgres", "redis", "clickhouse", "api.postgres", "api.redis", "api.clickhouse"} <= said.keys()
    assert code == 0


def test_a_silent_clickhouse_is_soon_said_to_be_away(site: Site) -> None:
    """A process that starts meanwhile is ready at once, a judge is told within seconds, and no question stays."""
    site.stack.clickhouse.pause()
    try:
        api = site.api()
        began = time.monotonic()
        answer = api.client.get("/v1/judges/me", headers=bearer(site.user()))
        assert api.ready()
        waited = time.monotonic() - began
        await_that(lambda: links(site, api) == 0, "all questions are given up", 30)
    finally:
        site.stack.clickhouse.resume()

    assert (answer.status_code, answer.json()["code"]) == (503, "clickhouse_away")
    assert waited < 30


def test_a_silent_neighbour_does_not_hold_the_process(site: Site) -> None:
    """ClickHouse stands still under a judge's question and under a comparison; SIGTERM ends the process in its time."""
    api = site.api(CRUCIBLE_RUN__SHUTDOWN_DEADLINE="1")
    contest, judge = site.contest(), site.user()

    def ask() -> None:
        with suppress(httpx.TransportError):  # the server goes before it answers
            api.client.get("/v1/judges/me", headers=bearer(judge))

    with ThreadPoolExecutor(1) as client:
        site.stack.clickhouse.pause()
        try:
            assert api.client.get(f"{contest.path}/pair", headers=bearer(judge)).status_code == 503
            client.submit(ask)
            await_that(lambda: links(site, api) >= 2, "both questions are under way", 30)  # one link was idle, at most
            code = api.daemon.terminate(15)
        finally:
            site.stack.clickhouse.resume()

    assert code == 0
    assert api.daemon.events("api.stopped")
