"""The HTTP client against servers and addresses that are wrong in each way there is.

What is not an answer is an error, whose type says whether the service can have got the request.
"""

import asyncio
import base64

import pytest

from tests.unit.runtime.http_peers import OK, client, refused, says, serve
from watcher.runtime.http_client import BadAddressError, HttpResponse, OutcomeUnknownError, RequestNotSentError


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
