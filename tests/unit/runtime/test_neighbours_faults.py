"""Why a neighbour cannot be reached, in words that name what to look at: the same faults before each of them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import create_server, socket
from threading import Thread
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.certificates import certificate
from watcher.clickhouse.client import connect
from watcher.kafka.admin import KafkaAdmin
from watcher.model.errors import TemporaryError
from watcher.postgres.pool import SitePool
from watcher.postgres.session import open_session
from watcher.redis.client import open_client
from watcher.redis.link import Link
from watcher.redis.nodes import open_nodes
from watcher.redis.sink import RedisSink

SECONDS = 2.0
PLAIN = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"


def postgres(host: str, port: int, *, tls: bool) -> None:
    mode = "sslmode=verify-full&sslrootcert=system&sslnegotiation=direct" if tls else "sslmode=prefer"
    with open_session(f"postgresql://u:p@{host}:{port}/d?{mode}", "s", SECONDS):
        """It never gets here."""


def redis(host: str, port: int, *, tls: bool) -> None:
    client = open_client(f"redis{'s' if tls else ''}://{host}:{port}", cluster=False, timeout=SECONDS)
    try:
        RedisSink(client).try_writing()
    finally:
        client.close()


def clickhouse(host: str, port: int, *, tls: bool) -> None:
    connect(host=host, port=port, username="u", password="p", database="d", secure=tls, timeout=SECONDS)


def kafka(host: str, port: int, *, tls: bool) -> None:
    KafkaAdmin({"bootstrap.servers": f"{host}:{port}", "security.protocol": "SSL" if tls else "PLAINTEXT"}).topics()


def redis_of_the_doctor(host: str, port: int, *, tls: bool) -> None:
    open_nodes(f"{'rediss' if tls else 'redis'}://{host}:{port}", cluster=False, timeout=2.0)


def redis_of_the_api(host: str, port: int, *, tls: bool) -> None:
    async def told() -> str:
        with capture_logs() as lines:
            keeping = asyncio.ensure_future(Link(f"redis{'s' if tls else ''}://{host}:{port}", SECONDS).run())
            while not lines:
                await asyncio.wait([keeping], timeout=0.01)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        return str(lines[0]["error"])

    raise TemporaryError(asyncio.run(told()))


NEIGHBOURS: dict[str, Callable[..., None]] = {
    "postgres": postgres,
    "redis": redis,
    "doctor's redis": redis_of_the_doctor,
    "the API's redis": redis_of_the_api,
    "clickhouse": clickhouse,
    "kafka": kafka,
}
MISLEADING = (
    *("Operation not permitted", "Unknown error", "Exec format", "Success", "Broker transport failure"),
    *("ConnectionError", "TimeoutError", "OperationalError"),
)
"""What the kernel's numbers and the clients' classes are called, which says nothing to who reads it."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka's client tries until nobody waits any more."""
    monkeypatch.setattr("watcher.kafka.admin.MAX_ANSWER_SECONDS", 1.0)


@contextmanager
def listening(answer: Callable[[socket], Any]) -> Iterator[int]:
    """Somebody at a port who is none of the neighbours."""

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            try:
                answer(client)
            except OSError:
                pass
            finally:
                client.close()

    with create_server(("127.0.0.1", 0)) as server:
        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    """A port that speaks HTTP without TLS, and refuses whatever is asked."""
    with listening(lambda client: (client.recv(100), client.sendall(PLAIN))) as port:
        yield port


@pytest.fixture(scope="module")
def signed_by_itself(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A port with TLS, whose certificate nobody vouches for."""
    context, _ = certificate(tmp_path_factory.mktemp("certificate"))
    context.set_alpn_protocols(["postgresql"])
    with listening(lambda client: context.wrap_socket(client, server_side=True).recv(100)) as port:
        yield port


def fault(neighbour: str, host: str, port: int, *, tls: bool = False) -> str:
    """What is said of a neighbour that cannot be reached."""
    with pytest.raises(TemporaryError) as raised:
        NEIGHBOURS[neighbour](host, port, tls=tls)
    said = str(raised.value)
    assert [one for one in MISLEADING if one in said] == []
    return said.lower()


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_host_that_is_not_known(neighbour: str) -> None:
    """By its name, and that it is the name."""
    said = fault(neighbour, "nosuch.invalid", 7)

    assert "nosuch.invalid" in said
    assert any(word in said for word in ("is not known", "not known", "resolve"))


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_nobody_listens(neighbour: str) -> None:
    """With the port."""
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = fault(neighbour, "127.0.0.1", port)

    assert str(port) in said
    assert any(word in said for word in ("nobody listens", "refused"))


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_tls_to_a_port_without(neighbour: str, plain: int) -> None:
    """That it is no TLS that answers."""
    said = fault(neighbour, "127.0.0.1", plain, tls=True)

    words = {"postgres": "ssl error", "kafka": "speaks no tls"}  # of libpq, and beside those of librdkafka
    assert words.get(neighbour, "does not speak tls") in said


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_a_certificate_that_nobody_vouches_for(neighbour: str, signed_by_itself: int) -> None:
    """That it is the certificate, and which setting helps."""
    said = fault(neighbour, "127.0.0.1", signed_by_itself, tls=True)

    assert "certificate" in said
    assert [one for one in ("ssl_cert_file", "ssl.ca.location", "ssl_ca_location", "sslrootcert") if one in said], said


@pytest.mark.parametrize("neighbour", ["postgres", "redis"])
def test_something_else_at_the_port(neighbour: str, plain: int) -> None:
    """That it is another protocol's."""
    said = fault(neighbour, "127.0.0.1", plain)

    assert any(word in said for word in ("there is no postgresql", "does not speak redis' protocol"))


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("socks5h://127.0.0.1:1", "HTTP_PROXY names a proxy with socks5h://"),
        ("http://nosuch.invalid:3128", "through the proxy that HTTP_PROXY names: the host nosuch.invalid is not known"),
    ],
)
def test_clickhouse_behind_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch, proxy: str, said: str) -> None:
    """The variable is named, and not ClickHouse's host, which may be right."""
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)

    with pytest.raises(TemporaryError, match=said):
        clickhouse("10.255.255.1", 8123, tls=False)


@pytest.mark.parametrize("where", ["nosuch.invalid:7", "127.0.0.1:1"])
def test_who_waits_for_a_connection_learns_why_none_comes(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """The pool of requests: not that there was no answer, but that there is no such host, or that nobody listens."""

    async def run() -> str:
        async with SitePool(f"postgresql://u:p@{where}/d", 1, 1.0) as pool:
            with pytest.raises(TemporaryError) as away:
                await pool.fetch("SELECT 1")
        return str(away.value)

    said = asyncio.run(run())

    assert any(word in said for word in ("resolve host 'nosuch.invalid'", "Connection refused"))
    assert caplog.records == []
