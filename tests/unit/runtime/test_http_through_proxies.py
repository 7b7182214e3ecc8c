"""The HTTP client through proxies that the environment names: those that let through, and those that do not."""

import asyncio
import base64
import struct

import pytest

from tests.unit.runtime.http_peers import OK, Streams, client, refused, says, serve
from watcher.runtime.http_client import BadAddressError, RequestNotSentError

OUTSIDE = "outside.example"
"""A host that is not this machine, so that a proxy is asked; nobody looks its name up here."""


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
