"""The HTTP client against servers, proxies and addresses that are wrong in each way there is."""

import asyncio
import base64
import datetime as dt
import ipaddress
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from watcher.model.errors import TemporaryError
from watcher.runtime.http_client import (
    BadAddressError,
    HttpClient,
    HttpResponse,
    OutcomeUnknownError,
    RequestNotSentError,
)

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NO_PROXIES: Mapping[str, str] = {}
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-served-by: it\r\n\r\nhi"
OUTSIDE = "outside.example"
"""A host that is not this machine, so that a proxy is asked; nobody looks its name up here."""


@asynccontextmanager
async def serve(answer: Streams, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server, and its port."""
    serving: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def says(answer: bytes, heard: list[bytes] | None = None) -> Streams:
    """Read one request, answer it, close."""

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
            heard.append(head + await reader.readexactly(int(length[0]) if length else 0))
        writer.write(answer)
        await writer.drain()

    return exchange


def client(url: str, *, timeout: float = 5.0, environ: Mapping[str, str] = NO_PROXIES, **more: Any) -> HttpClient:
    """A client of a service."""
    return HttpClient("the shop", "shop.url", url, timeout, environ=environ, **more)


async def test_an_answer_comes_back_whole() -> None:
    """Status, headers, body; the request has the path below the address, the body as JSON, and who asks."""
    heard: list[bytes] = []
    async with serve(says(OK, heard)) as port:
        answer = await client(f"http://127.0.0.1:{port}/base/", auth=("reader", "secret")).request(
            "PUT", "/goods/7?all=1", body={"price": 3}
        )

    assert (answer.status, answer.is_success, answer.text, answer.headers["x-served-by"]) == (200, True, "hi", "it")
    (request,) = heard
    assert request.startswith(b"PUT /base/goods/7?all=1 HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"price":3}')
    lowered = request.lower()
    for header in (b"content-type: application/json", b"accept-encoding: identity", b"user-agent: crucible-watcher"):
        assert header in lowered
    assert b"Basic " + base64.b64encode(b"reader:secret") in request


async def test_threads_without_a_loop_are_served_too() -> None:
    """The blocking form is the same request."""
    async with serve(says(OK)) as port:
        answer = await asyncio.to_thread(client(f"http://127.0.0.1:{port}").request_blocking, "GET", "x")

    assert answer.body == b"hi"


@pytest.mark.parametrize("status", [301, 307, 404, 500])
async def test_every_status_is_an_answer(status: int) -> None:
    """Nothing is followed anywhere: a redirect could lead a password or an order to somebody else."""
    head = b"HTTP/1.1 %d X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n" % status
    async with serve(says(head)) as port:
        answer = await client(f"http://127.0.0.1:{port}").request("POST", "x")

    assert (answer.status, answer.is_success) == (status, False)


# What is not an answer: the error's type says whether the service can have got the request.


async def refused(url: str, **more: Any) -> TemporaryError:
    """The error of a request."""
    with pytest.raises(TemporaryError) as caught:
        await client(url, **more).request("POST", "orders", body={"n": 1})
    return caught.value


async def test_nobody_listens() -> None:
    """Not sent; the message names service, address and setting, and neither user nor query."""
    async with serve(says(OK)) as port:
        pass

    error = await refused(f"http://user:sesame@127.0.0.1:{port}/a?key=sesame")

    assert type(error) is RequestNotSentError
    assert str(error) == f"the shop at http://127.0.0.1:{port}/a (shop.url): nobody listens at 127.0.0.1:{port}"


async def test_plain_http_behind_an_address_with_tls() -> None:
    """Not sent, and said so."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serve(plain) as port:
        error = await refused(f"https://127.0.0.1:{port}")

    assert type(error) is RequestNotSentError
    assert str(error).endswith(f"127.0.0.1:{port} does not speak TLS")


async def test_tls_behind_an_address_without() -> None:
    """It got something; who knows what it made of that."""
    async with serve(says(b"\x15\x03\x03\x00\x02\x02\x50")) as port:
        error = await refused(f"http://127.0.0.1:{port}")

    assert type(error) is OutcomeUnknownError
    assert "does it speak TLS" in str(error)


@pytest.mark.parametrize("begun", [b"", OK[:-1], b"HTTP/1.1 200 OK\r\nx: "], ids=["nothing", "body", "head"])
async def test_a_connection_that_ends_before_the_answer_does(begun: bytes) -> None:
    """Whether the order was carried out, nobody knows."""
    async with serve(says(begun)) as port:
        error = await refused(f"http://127.0.0.1:{port}")

    assert type(error) is OutcomeUnknownError


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_a_server_that_drips(begun: bytes) -> None:
    """The deadline is that of the whole request, however many bytes come in time."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        while begun or not reader.at_eof():
            writer.write(b" " if begun else b"")
            await asyncio.sleep(0.02)  # time is what is tested: each byte comes long before the deadline

    async with serve(drip) as port:
        error = await refused(f"http://127.0.0.1:{port}", timeout=0.3)

    assert type(error) is OutcomeUnknownError
    assert str(error).endswith("no answer within 0.3 s")


async def test_a_server_that_never_shakes_hands() -> None:
    """TLS that does not come to an end is a request that was not sent."""

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            await reader.read(1_000)

    async with serve(silent) as port:
        error = await refused(f"https://127.0.0.1:{port}", timeout=0.3)

    assert type(error) is RequestNotSentError
    assert str(error).endswith("no connection within 0.3 s")


async def test_an_answer_that_is_too_large() -> None:
    """What it says is not known, so neither is what was done."""
    async with serve(says(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_001)) as port:
        error = await refused(f"http://127.0.0.1:{port}", max_bytes=1_000)

    assert type(error) is OutcomeUnknownError
    assert "more than 1000 bytes" in str(error)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"\xff", b'[{"more": ' + b"[" * 100_000])
def test_an_answer_that_is_something_else(body: bytes) -> None:
    """Whatever it is, the service may have done what was asked."""
    with pytest.raises(OutcomeUnknownError, match="answers something else than it should"):
        client("http://127.0.0.1:9").read(HttpResponse(200, {}, body), list[dict[str, int]])


def test_what_is_shown_of_an_answer_can_be_shown_and_stored() -> None:
    """No NUL, which PostgreSQL takes from nobody, and nothing that a terminal would obey."""
    said = HttpResponse(500, {}, b"\x1b[2Jno\x00thing \xc3\xa9\nmore")

    assert said.first_line == "\ufffd[2Jno\ufffdthing é"


async def test_an_answer_that_is_just_not_too_large() -> None:
    """The control of the test above."""
    async with serve(says(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000)) as port:
        answer = await client(f"http://127.0.0.1:{port}", max_bytes=1_000).request("GET")

    assert len(answer.body) == 1_000


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "ftp://x/", "x", "http:///x", "http://\ud800/", "http://127.0.0.1:abc/", "", "http://"],
)
async def test_an_address_that_is_none(url: str) -> None:
    """Not sent, whatever the library makes of it, and only another address helps."""
    error = await refused(url)

    assert type(error) is BadAddressError
    assert "shop.url" in str(error)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://exa mple.invalid/", "http://" + "a" * 70 + "."])
async def test_an_address_that_leads_nowhere(url: str) -> None:
    """Not sent either."""
    assert isinstance(await refused(url), RequestNotSentError)


# Certificates.


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    """A key that everybody here signs with."""
    return ec.generate_private_key(ec.SECP256R1())


Context = Callable[..., tuple[ssl.SSLContext, Path]]


@pytest.fixture
def certificate(key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> Context:
    """Makes what a server with a certificate needs, and the certificate's file."""

    def make(host: str = "127.0.0.1", days: int = 1, *, self_signed: bool = True) -> tuple[ssl.SSLContext, Path]:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
        issuer = name if self_signed else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(days=3))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
        file.write_bytes(made.public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file, key_file)
        return context, file

    return make


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "is signed by itself or by an authority that this machine does not trust"),
        ({"self_signed": False}, "is signed by an authority that this machine does not know"),
    ],
)
async def test_a_certificate_that_is_not_trusted(certificate: Context, given: dict[str, Any], said: str) -> None:
    """Named as what it is, with the variable that helps; not sent."""
    tls, _ = certificate(**given)
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}")

    assert type(error) is RequestNotSentError
    assert said in str(error)
    assert "SSL_CERT_FILE" in str(error)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"days": -1}, "has expired"), ({"host": "127.0.0.2"}, "the certificate is not for 127.0.0.1")],
)
async def test_a_trusted_certificate_that_does_not_fit(
    certificate: Context, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], said: str
) -> None:
    """Too old, or somebody else's."""
    tls, file = certificate(**given)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}")

    assert type(error) is RequestNotSentError
    assert said in str(error)


async def test_the_systems_store_can_be_another_one(certificate: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SSL_CERT_FILE`` names whom this machine trusts, here as everywhere."""
    tls, file = certificate()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with serve(says(OK), tls) as port:
        answer = await client(f"https://127.0.0.1:{port}").request("GET")

    assert answer.body == b"hi"


async def test_a_store_that_is_not_there(certificate: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL passes it over in silence, and then trusts nobody."""
    tls, file = certificate()
    monkeypatch.setenv("SSL_CERT_FILE", f"{file}.gone")
    async with serve(says(OK), tls) as port:
        error = await refused(f"https://127.0.0.1:{port}", environ={"SSL_CERT_FILE": f"{file}.gone"})

    assert f"SSL_CERT_FILE names {file}.gone, which is no file" in str(error)


# Proxies.


async def socks5(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A SOCKS5 proxy that leads everywhere to a server that says hi."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    _, _, _, kind = await reader.readexactly(4)
    assert kind == 3  # a name: it is looked up by the proxy
    host = await reader.readexactly((await reader.readexactly(1))[0])
    (port,) = struct.unpack(">H", await reader.readexactly(2))
    assert (host, port) == (OUTSIDE.encode(), 80)
    writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
    await says(OK)(reader, writer)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "http_proxy"])
async def test_a_socks_proxy(scheme: str, variable: str) -> None:
    """What many shells have set; the name is looked up at the other end."""
    async with serve(socks5) as port:
        answer = await client(f"http://{OUTSIDE}", environ={variable: f"{scheme}://127.0.0.1:{port}"}).request("GET")

    assert answer.body == b"hi"


async def test_an_http_proxy() -> None:
    """It is asked with the whole address, and its password goes to nobody else."""
    heard: list[bytes] = []
    async with serve(says(OK, heard)) as port:
        environ = {"HTTP_PROXY": f"user:sesame@127.0.0.1:{port}"}
        answer = await client(f"http://{OUTSIDE}", environ=environ).request("GET", "x")

    assert answer.body == b"hi"
    assert heard[0].startswith(f"GET http://{OUTSIDE}/x HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:sesame") in heard[0]


async def test_this_machine_is_asked_without_a_proxy() -> None:
    """A proxy would look for it on its own machine."""
    async with serve(says(OK)) as port:
        answer = await client(f"http://127.0.0.1:{port}", environ={"ALL_PROXY": "socks5h://127.0.0.1:1"}).request("GET")

    assert answer.body == b"hi"


async def tunnel_to_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A proxy that lets everybody through, to somebody who does not answer."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not reader.at_eof():
        await reader.read(1_000)


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        (says(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n"), "the proxy refuses: 407 No"),
        (says(b""), "proxy"),
        (says(b"not HTTP at all\r\n\r\n"), "proxy"),
        (tunnel_to_silence, "no connection within 0.5 s"),
    ],
    ids=["refuses", "hangs up", "is none", "leads to silence"],
)
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_proxy_that_does_not_let_through(proxy: Streams, said: str, scheme: str) -> None:
    """What the proxy hears is not the request: that was not sent. The variable is named, and no password."""
    async with serve(proxy) as port:
        environ = {"HTTPS_PROXY": f"{scheme}://user:sesame@127.0.0.1:{port}"}
        error = await refused(f"https://{OUTSIDE}", environ=environ, timeout=0.5)

    assert type(error) is RequestNotSentError
    assert "through the proxy that HTTPS_PROXY names" in str(error)
    assert scheme == "socks5h" or said in str(error)
    assert "sesame" not in str(error)


async def test_a_proxy_that_is_not_there() -> None:
    """Its own address is named, not the service's."""
    async with serve(says(OK)) as port:
        pass

    error = await refused(f"https://{OUTSIDE}", environ={"ALL_PROXY": f"socks5://127.0.0.1:{port}"})

    assert type(error) is RequestNotSentError
    assert str(error).endswith(f"through the proxy that ALL_PROXY names: nobody listens at 127.0.0.1:{port}")


@pytest.mark.parametrize("given", ["socks4://sesame@x:1", "quic://x", "http://", "http://x:sesame", "http://[::1"])
async def test_a_proxy_that_cannot_be_used(given: str) -> None:
    """The variable is named; what it holds is not quoted."""
    error = await refused(f"https://{OUTSIDE}", environ={"ALL_PROXY": given})

    assert type(error) is BadAddressError
    assert "ALL_PROXY" in str(error)
    assert "sesame" not in str(error)
