"""The operations port, asked over a real socket."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, Counter

from tests.awaiting import await_that
from watcher.model.errors import RefusedError, StopError, TemporaryError
from watcher.telemetry.health import DEADLINE_SECONDS, FRESH_SECONDS, Health
from watcher.telemetry.listening import listen
from watcher.telemetry.probes import ProbeServer


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    one = Health(loop_deadline=60.0, clock=clock)
    one.started()
    return one


@pytest.fixture
def server(health: Health) -> Iterator[ProbeServer]:
    registry = CollectorRegistry()
    Counter("crucible_example", "An example.", registry=registry).inc()
    with ProbeServer("127.0.0.1", 0, health, registry) as started:
        yield started


def ask(server: ProbeServer, path: str, method: str = "GET", body: str | None = None) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no..host"])
def test_where_nobody_can_listen_is_told(server: ProbeServer, health: Health, host: str):
    """Taken, somebody else's, no name at all: a message that names the settings, as for the API's port."""
    with pytest.raises(StopError, match=rf"^ops\.host, ops\.port: cannot listen on {host}:{server.port}: \S.*; name"):
        ProbeServer(host, server.port, health, CollectorRegistry())


def test_probes_are_answered_over_ipv6(health: Health):
    """`::` is an address to listen on like another."""
    with ProbeServer("::1", 0, health, CollectorRegistry()) as server:
        connection = http.client.HTTPConnection("::1", server.port, timeout=5)
        connection.request("GET", "/livez")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_loop_that_turns_is_alive_and_one_that_hangs_is_not(server: ProbeServer, health: Health, clock: Clock):
    """Sixty seconds are allowed; at sixty-one the process is to be restarted, and a turn mends it."""
    statuses = []
    for later in (60.0, 1.0):
        clock.now += later
        statuses.append(ask(server, "/livez")[0])
    health.turned()
    statuses.append(ask(server, "/livez")[0])

    assert statuses == [200, 503, 200]


def test_an_outage_next_door_does_not_kill(server: ProbeServer, health: Health):
    """A critical neighbour that is away takes readiness, and liveness never."""

    def away() -> None:
        raise ConnectionError("redis://app:hunter2@cache is away")

    health.check("redis", away)

    assert ask(server, "/livez")[0] == 200
    status, _, body = ask(server, "/readyz")
    redis = json.loads(body)["checks"][1]
    assert (status, redis["name"], redis["ok"]) == (503, "redis", False)
    assert "hunter2" not in body


def test_a_neighbour_that_is_not_critical_is_only_shown(server: ProbeServer, health: Health):
    """Its fault is in the answer, and the answer is 200."""

    def away() -> None:
        raise ConnectionError("away")

    health.check("registry", away, critical=False)
    health.check("clickhouse", lambda: "26.9")

    status, _, body = ask(server, "/readyz")
    assert status == 200
    shown = [(check["name"], check["ok"], check["detail"]) for check in json.loads(body)["checks"][1:]]
    assert shown == [("registry", False, "ConnectionError: away"), ("clickhouse", True, "26.9")]


def test_probes_do_not_load_the_neighbours(health: Health, clock: Clock):
    """Any number of probes within two seconds is one ping, and each answer says how old it is."""
    pings: list[float] = []
    health.check("redis", lambda: pings.append(clock.now))

    ages = []
    for later in (0.0, 0.5, 0.5, FRESH_SECONDS - 1.0, 0.5):
        clock.now += later
        ages.append(health.ready().checks[-1].age_seconds)

    assert pings == [100.0, 100.0 + FRESH_SECONDS]
    assert ages == [0.0, 0.5, 1.0, 0.0, 0.5]


@pytest.mark.parametrize(("critical", "status"), [(True, 503), (False, 200)])
def test_a_neighbour_that_hangs_is_not_well(
    server: ProbeServer, health: Health, clock: Clock, critical: bool, status: int
):
    """However well it was before; nobody waits for it for longer than a probe has, and the next ones not at all."""
    asked, release = threading.Semaphore(0), threading.Event()
    release.set()

    def ping() -> str:
        asked.release()
        assert release.wait(30)
        return "26.9"

    def shown() -> tuple[int, bool, str]:
        code, _, body = ask(server, "/readyz")
        found = json.loads(body)["checks"][-1]
        return code, found["ok"], found["detail"]

    health.check("clickhouse", ping, critical=critical)
    try:
        assert shown() == (200, True, "26.9")
        assert asked.acquire(timeout=10)
        release.clear()
        clock.now += FRESH_SECONDS
        assert shown() == (status, False, "no answer for 0.0 s; 2 s ago: 26.9")
        clock.now += 8.0
        assert shown() == (status, False, "no answer for 8.0 s; 10 s ago: 26.9")
        release.set()
        await_that(lambda: shown() == (200, True, "26.9"), "an answer after the silence", told=lambda: str(shown()))
    finally:
        release.set()


def test_many_that_hang_take_no_longer_than_one(health: Health, clock: Clock):
    """They are waited for side by side, and when they have had their time not at all."""
    release = threading.Event()
    for number in range(5):
        health.check(f"neighbour {number}", lambda: release.wait(30))
    took = []
    try:
        for _ in range(2):
            begun = time.monotonic()
            assert not health.ready().ok
            took.append(time.monotonic() - begun)
            clock.now += DEADLINE_SECONDS
    finally:
        release.set()

    assert took[0] < 2 * DEADLINE_SECONDS
    assert took[1] < DEADLINE_SECONDS


def test_a_process_that_waits_for_a_neighbour_at_its_start_is_not_ready(clock: Clock):
    """Although it is alive, and no neighbour is asked about yet."""
    health = Health(loop_deadline=60.0, clock=clock)
    (start,) = health.ready().checks[1:]
    assert (start.name, start.ok, start.critical) == ("start", False, True)
    health.awaits("postgres", TemporaryError("no route"))
    (start,) = health.ready().checks[1:]
    assert start.detail == "waits for postgres: no route"
    assert health.alive().ok
    health.started()
    health.awaits("postgres", TemporaryError("no route"))

    assert health.ready().ok


def test_a_neighbour_that_refuses_is_told_from_one_that_is_away(health: Health):
    """Nobody has to wait for what only a person can mend."""

    def refuse() -> None:
        raise RefusedError("permission denied for table Image")

    def away() -> None:
        raise TemporaryError("connection refused")

    health.check("postgres", refuse)
    health.check("redis", away)

    assert [check.refused for check in health.neighbours()] == [True, False]


def test_a_process_that_stops_takes_no_more_work(server: ProbeServer, health: Health):
    """Shutdown takes readiness away first, and leaves liveness."""
    health.stopping()

    assert (ask(server, "/readyz")[0], ask(server, "/livez")[0]) == (503, 200)


def test_metrics_are_prometheus_text(server: ProbeServer):
    """What a scrape gets is what was counted."""
    status, content_type, body = ask(server, "/metrics?name=all")

    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert "crucible_example_total 1.0" in body


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/", 404), ("GET", "/livez/x", 404), ("POST", "/livez", 405), ("DELETE", "/metrics", 405)],
)
def test_other_requests_are_told_what_there_is(server: ProbeServer, method: str, path: str, expected: int):
    """A wrong path or method is answered in JSON, and the server goes on."""
    status, content_type, body = ask(server, path, method, body="x" * 100 if method == "POST" else None)

    assert (status, content_type) == (expected, "application/json")
    assert json.loads(body)["error"]
    assert ask(server, "/livez")[0] == 200


def test_a_taken_port_is_an_error_at_once(server: ProbeServer, health: Health):
    """Two daemons on one port would answer for each other."""
    with pytest.raises(StopError, match="in use"):
        ProbeServer("127.0.0.1", server.port, health, CollectorRegistry())


@pytest.mark.parametrize("kind", ["probes", "judges"])
def test_all_addresses_are_those_of_both_kinds(health: Health, kind: str):
    """``::`` is taken alike for both ports: whoever comes over IPv4 is served too."""
    with ExitStack() as opened:
        if kind == "probes":
            port = opened.enter_context(ProbeServer("::", 0, health, CollectorRegistry())).port
        else:
            port = opened.enter_context(listen("::", 0, "api.host, api.port", 5)).getsockname()[1]

        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=5).close()


def test_an_address_that_is_not_all_is_just_that_one(health: Health):
    """Who names an address of IPv6 gets that and no other."""
    with ProbeServer("::1", 0, health, CollectorRegistry()) as server, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
