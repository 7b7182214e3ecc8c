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

from watcher.model.errors import StopError
from watcher.telemetry.health import CACHED, Health
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
    return Health(loop_deadline=60.0, clock=clock)


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
    """Any number of probes within five seconds is one ping."""
    pings: list[float] = []
    health.check("redis", lambda: pings.append(clock.now))

    for later in (0.0, 1.0, 1.0, CACHED - 2.0, 1.0):
        clock.now += later
        health.ready()

    assert pings == [100.0, 100.0 + CACHED]


def test_a_ping_that_hangs_does_not_hang_the_next_probe(health: Health, clock: Clock):
    """While one asks, the others get the answer before."""
    asking, release = threading.Event(), threading.Event()
    first = [True]

    def ping() -> None:
        if first.pop() if first else False:
            return
        asking.set()
        assert release.wait(10)

    health.check("redis", ping)
    assert health.ready().ok
    clock.now += CACHED
    slow = threading.Thread(target=health.ready)
    slow.start()
    assert asking.wait(10)

    try:
        assert health.ready().ok
    finally:
        release.set()
        slow.join()


def test_a_check_that_does_not_count_holds_up_no_probe(server: ProbeServer, health: Health, clock: Clock):
    """Neither the first probe of a process nor one whose answer is stale waits for it; its answer is shown later."""
    asked, release = threading.Semaphore(0), threading.Event()

    def ping() -> None:
        asked.release()
        assert release.wait(30)

    health.check("clickhouse", ping, critical=False)

    def shown() -> tuple[int, str]:
        status, _, body = ask(server, "/readyz")
        return status, json.loads(body)["checks"][1]["detail"]

    try:
        assert shown() == (200, "no answer yet")
        assert asked.acquire(timeout=10)
        clock.now += CACHED
        assert shown() == (200, "no answer yet")
        release.set()
        until = time.monotonic() + 10
        while (said := shown()) != (200, "") and time.monotonic() < until:
            pass
        assert said == (200, "")
        release.clear()
        clock.now += CACHED
        assert shown() == (200, "")
        assert asked.acquire(timeout=10)
    finally:
        release.set()


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
