"""What a client may send to the API without doing anything to others."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import httpx
import pytest

from tests.api.raw_requests import at_once, request
from tests.api.site import Api, Contest, Site, bearer, token
from tests.awaiting import await_that

BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"hello",
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "deep": b"[" * 2_000,
    "deep, in a field": b'{"winner": ' + b'{"a":' * 400,
    "a text for an id": b'{"winner": "1", "loser": 2}',
    "a fraction": b'{"winner": 1.5, "loser": 2}',
    "a huge fraction": b'{"winner": 1e300, "loser": 2}',
    "a fraction below all ids": b'{"winner": -0.0, "loser": 2}',
    "a negative id": b'{"winner": -1, "loser": 2}',
    "zero": b'{"winner": 0, "loser": 2}',
    "beyond all ids": b'{"winner": 2147483648, "loser": 2}',
    "a huge number": b'{"winner": ' + b"9" * 300 + b', "loser": 2}',
    "no loser": b'{"winner": 1}',
    "true": b'{"winner": true, "loser": 2}',
    "an unknown field": b'{"winner": 1, "loser": 2, "user": 3}',
    "a long token": b'{"winner": 1, "loser": 2, "token": "' + b"x" * 600 + b'"}',
    "a token that is a list": b'{"winner": 1, "loser": 2, "token": []}',
    "no text at all": b"\xff\xfe\x00\x00",
    "half a character": b'{"winner": 1, "loser": 2, "token": "\xc3"}',
    "a lone surrogate": b'{"winner": 1, "loser": 2, "token": "\\ud800"}',
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_is_none(api: Api, contest: Contest, name: str) -> None:
    """400 and a word about it; the next request on the connection is answered."""
    headers = {**bearer(contest.owners[0]), "Content-Type": "application/json"}

    answer = api.client.post(f"{contest.path}/votes", content=BAD_BODIES[name], headers=headers)

    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "bad_json"
    assert api.get(contest.path, contest.owners[0]).status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonx"],
)
def test_another_content_type(api: Api, contest: Contest, kind: str) -> None:
    """415: a form of another page could send these without asking."""
    headers = {**bearer(contest.owners[0]), "Content-Type": kind}

    answer = api.client.post(f"{contest.path}/votes", content=b'{"winner": 1, "loser": 2}', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_media_type")


def test_a_body_that_is_packed(api: Api, contest: Contest) -> None:
    """415 and a word about it, for nobody unpacks it."""
    headers = {**bearer(contest.owners[0]), "Content-Type": "application/json", "Content-Encoding": "gzip"}

    answer = api.client.post(f"{contest.path}/votes", content=b"\x1f\x8b", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_media_type")
    assert "Content-Encoding" in answer.json()["detail"]


def test_what_follows_a_body_is_no_header(api: Api, contest: Contest) -> None:
    """Proxies pass trailers on unread, whatever the sender puts there: they let nobody in and keep nobody out."""
    chunks, trailer = (
        b"2\r\n{}\r\n0\r\n",
        f"Authorization: Bearer {token(contest.owners[0])}\r\nHost: y\r\n\r\n".encode(),
    )
    said = []
    for bearers in ("", f"Authorization: Bearer {token(contest.owners[0])}\r\n"):
        head = f"POST {contest.path}/votes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{bearers}"
        whole = head.encode() + b"Content-Type: application/json\r\n\r\n" + chunks + trailer
        ((_, body),) = asyncio.run(at_once(api, [whole]))
        said.append(json.loads(body)["code"])

    assert said == ["no_token", "bad_json"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/crucibles/-1",
        "/v1/crucibles/0",
        "/v1/crucibles/2147483648",
        "/v1/crucibles/" + "9" * 400,
        "/v1/crucibles/1e3",
        "/v1/crucibles/%31%20",
        "/v1/crucibles/x/votes",
        "/v1/crucibles/1/entries/-4",
        "/v1/crucibles/1/standings?limit=0",
        "/v1/crucibles/1/standings?limit=201",
        "/v1/crucibles/1/standings?offset=-1",
        "/v1/crucibles/1/standings?offset=99999999999",
        "/v1/crucibles/1/standings?limit=5&limit=6",
        "/v1/crucibles/1/standings?page=1",
        "/v1/crucibles/1/pair?browsingLevel=64",
        "/v1/crucibles/1/pair?browsingLevel=all",
        "/v1/crucibles/1/entries/1/history?points=1",
        "/v1/crucibles/1/entries/1/comments?cursor=" + "x" * 300,
        "/v1/judges/me?" + "x=1&" * 1_000,
    ],
)
def test_ids_and_parameters_out_of_bounds(api: Api, site: Site, path: str) -> None:
    """400, before anything is asked of anybody."""
    method = "POST" if path.endswith("votes") else "GET"

    answer = api.client.request(method, path, headers=bearer(site.user()), json={} if method == "POST" else None)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_cursor_that_was_not_given_out(api: Api, contest: Contest) -> None:
    """400, whatever it decodes to."""
    for cursor in ("x", "1.2", "1.2.-3", "--1.2.3", "1.2.3.4", "1.2.12345678901", "%00", "é", "\u0661.2.3"):
        answer = api.get(f"{contest.path}/entries/{contest.entries[0]}/comments", contest.owners[0], cursor=cursor)

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), cursor


def test_unknown_paths_and_methods(api: Api) -> None:
    """Problems like all others."""
    nowhere = api.client.get("/v2/crucibles/1", headers=bearer(1))
    method = api.client.delete("/v1/crucibles/1", headers=bearer(1))

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "no_such_route")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in method.headers["allow"]


@pytest.mark.parametrize("path", ["", "/stream", "/standings"])
def test_heads(api: Api, contest: Contest, path: str) -> None:
    """What a GET has before its body; of a stream too, of which none is left running that nobody sees."""
    headers = bearer(contest.owners[0])
    head = api.client.head(contest.path + path, headers=headers, timeout=30)
    with api.client.stream("GET", contest.path + path, headers=headers) as whole:
        same = ("content-type", "content-length", "cache-control", "etag")

        assert (head.status_code, head.content) == (200, b"")
        assert [head.headers.get(name) for name in same] == [whole.headers.get(name) for name in same]
    await_that(lambda: api.daemon.metric("crucible_streams") == 0, "no stream is left")
    refused = api.client.head(contest.path + path)
    assert (refused.status_code, refused.content) == (401, b"")
    votes = api.client.head(contest.path + "/votes", headers=headers)
    assert (votes.status_code, votes.headers["allow"]) == (405, "POST")


def test_a_hundred_megabytes(api: Api, contest: Contest) -> None:
    """Refused by its length alone, or after a few kilobytes when it does not say; never taken into memory."""
    judge = contest.owners[0]
    before = api.daemon.rss_mb()

    def pieces() -> Iterator[bytes]:
        yield from (b"x" * 65_536 for _ in range(1_600))

    for length in ({"Content-Length": "104857600"}, {}):
        try:
            answer = httpx.post(
                f"{api.url}{contest.path}/votes",
                content=pieces(),
                headers={**bearer(judge), "Content-Type": "application/json", **length},
                timeout=20,
            )
        except (httpx.WriteError, httpx.ReadError):
            pass  # hung up on while it was still sending, which is as good as the answer
        else:
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    assert api.daemon.rss_mb() - before < 30
    assert api.get(contest.path, judge).status_code == 200


def test_a_body_that_says_it_is_large(api: Api, contest: Contest) -> None:
    """413 before a byte of it was sent; and the connection is closed, for the body would follow on it."""
    with closing(socket.create_connection(("127.0.0.1", api.port), 10)) as line:
        line.sendall(request(contest, contest.owners[0], b"", **{"Content-Length": "104857600"}))
        answer = b"".join(iter(lambda: line.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"body_too_large"' in answer


def test_headers_without_end(api: Api) -> None:
    """431 once they are too many, and the connection is closed."""
    with closing(socket.create_connection(("127.0.0.1", api.port), 10)) as line:
        line.sendall(b"GET /v1/judges/me HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        with suppress(ConnectionError):
            for number in range(3_000):
                line.sendall(b"X-%d: %s\r\n" % (number, b"y" * 100))
        with suppress(ConnectionError):
            answer = line.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 431") or not answer
    assert api.client.get("/openapi.json").status_code == 200


def test_no_http_at_all(api: Api) -> None:
    """400, and nothing in the log of a server that is fine."""
    with closing(socket.create_connection(("127.0.0.1", api.port), 10)) as line:
        line.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n")
        answer = line.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 400")
    assert api.daemon.events("request.failed") == []


def test_a_client_that_sends_slowly_is_cut_off(api: Api, site: Site, contest: Contest) -> None:
    """A byte now and then keeps a connection for seconds, not for ever, and nobody waits for it."""
    with closing(socket.create_connection(("127.0.0.1", api.port), 30)) as line:
        line.sendall(request(contest, contest.owners[0], b"{", **{"Content-Length": "100"}))
        began = time.monotonic()
        while time.monotonic() - began < 25:
            assert api.get(contest.path, contest.owners[0]).elapsed.total_seconds() < 5
            line.settimeout(1)
            try:
                if not line.recv(1):
                    break
            except TimeoutError:
                with suppress(ConnectionError):
                    line.sendall(b" ")
            except ConnectionError:
                break
        else:
            pytest.fail("it is still connected after 25 s")

    assert 5 < time.monotonic() - began < 25
