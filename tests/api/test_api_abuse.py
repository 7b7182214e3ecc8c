"""What a client may do to the API without doing anything to others."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest

from tests.api.site import Api, Contest, Site, bearer, pair_token, token
from tests.awaiting import await_that


@pytest.fixture(scope="module")
def contest(api: Api, site: Site) -> Contest:
    """A crucible that Redis has."""
    made = site.contest(entries=6)
    api.get(made.path, made.owners[0])
    return made


def request(contest: Contest, user: int, body: bytes, path: str = "votes", **headers: str) -> bytes:
    """A vote, or something else that is sent, as bytes."""
    given = {
        "Host": "localhost",
        "Authorization": f"Bearer {token(user)}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {contest.path}/{path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def at_once(api: Api, requests: list[bytes]) -> list[tuple[int, bytes]]:
    """Each on a connection of its own; the last byte of each is sent when all others are there."""
    opened = [await asyncio.open_connection("127.0.0.1", api.port) for _ in requests]
    for (_, writer), one in zip(opened, requests, strict=True):
        writer.write(one[:-1])
        await writer.drain()
    for (_, writer), one in zip(opened, requests, strict=True):
        writer.write(one[-1:])
    answers = []
    for reader, writer in opened:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        answers.append((int(head[9:12]), await reader.readexactly(length)))
        writer.close()
    return answers


def test_one_vote_over_two_hundred_connections(api: Api, site: Site, contest: Contest) -> None:
    """It counts once, and all two hundred get the same answer."""
    judge = site.user()
    first, second, *_ = contest.entries
    body = json.dumps({"winner": first, "loser": second, "token": pair_token(contest, judge, first, second)}).encode()

    answers = asyncio.run(at_once(api, [request(contest, judge, body)] * 200))

    assert {status for status, _ in answers} == {200}
    assert len({content for _, content in answers}) == 1
    assert api.get(contest.path, judge).json()["me"] == {"votes": 1}


def test_both_ways_round_at_once(api: Api, site: Site, contest: Contest) -> None:
    """One wins, all of the other are refused; two browsers of one user are no more than that."""
    judge = site.user()
    first, second, *_ = contest.entries
    given = pair_token(contest, judge, first, second)
    ways = [
        request(contest, judge, json.dumps({"winner": winner, "loser": loser, "token": given}).encode())
        for winner, loser in ((first, second), (second, first))
    ]

    answers = asyncio.run(at_once(api, ways * 20))

    statuses = [status for status, _ in answers]
    assert sorted({*statuses[::2]}) + sorted({*statuses[1::2]}) in ([200, 409], [409, 200])
    assert api.get(contest.path, judge).json()["me"] == {"votes": 1}


def test_a_judge_who_asks_many_times_at_once(api: Api, site: Site, contest: Contest) -> None:
    """Whoever asks second is served what was opened to the first, and is never told that all is judged."""
    for _ in range(5):
        head = f"GET {contest.path}/pair HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(site.user())}\r\n\r\n"

        answers = asyncio.run(at_once(api, [head.encode()] * 16))

        assert 200 in {status for status, _ in answers} <= {200, 503}, answers  # busy, or the pair
        served = [json.loads(body) for status, body in answers if status == 200]
        assert len({(one["left"]["entryId"], one["right"]["entryId"], one["token"]) for one in served}) == 1


def test_a_pair_is_judged_or_skipped(api: Api, site: Site, contest: Contest) -> None:
    """Whichever of both comes first stands, and the other one is refused."""
    judge = site.user()
    pair = api.pair(contest, judge)
    vote = {"winner": pair["left"]["entryId"], "loser": pair["right"]["entryId"], "token": pair["token"]}
    ways = [
        request(contest, judge, json.dumps(body).encode(), path=path)
        for path, body in (("votes", vote), ("skips", {"token": pair["token"]}))
    ]

    answers = asyncio.run(at_once(api, ways * 20))

    votes, skips = [status for status, _ in answers[::2]], [status for status, _ in answers[1::2]]
    counted = api.get(contest.path, judge).json()["me"]["votes"]
    assert (set(votes), set(skips), counted) in [({200}, {410}, 1), ({410}, {200}, 0)]
    assert api.pair(contest, judge)["skipsLeft"] == 2 + counted


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


def test_a_stream_that_nobody_reads_holds_nobody_up(api: Api, site: Site) -> None:
    """One client reads nothing; another sees each vote at once, and votes go on."""
    contest, judge, sleeper, reader = site.contest(entries=6), site.user(), site.user(), site.user()
    api.get(contest.path, judge)
    seen: list[Any] = []

    def follow() -> None:
        with (
            suppress(httpx.HTTPError),
            httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(reader), timeout=20) as stream,
        ):
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line[6:]))
                    if sum(one["votes"] for one in seen[-1]["entries"]) == 20:
                        return

    with closing(socket.socket()) as dead:
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        dead.connect(("127.0.0.1", api.port))
        dead.sendall(
            f"GET {contest.path}/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(sleeper)}\r\n\r\n".encode()
        )
        follower = threading.Thread(target=follow)
        follower.start()
        await_that(lambda: bool(seen), "the first standings")
        for _ in range(10):
            assert api.vote(contest, judge, api.pair(contest, judge)).elapsed.total_seconds() < 10
        follower.join(20)

    assert not follower.is_alive()
    assert sum(one["votes"] for one in seen[-1]["entries"]) == 20
    await_that(lambda: api.daemon.metric("crucible_streams") == 0, "both streams are over")


def test_too_many_streams_of_one_user(api: Api, site: Site, contest: Contest) -> None:
    """Eight; the ninth is 429, and there is room again when one ends."""
    judge = site.user()
    head = f"GET {contest.path}/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(judge)}\r\n\r\n".encode()
    lines = [socket.create_connection(("127.0.0.1", api.port), 10) for _ in range(8)]
    try:
        for line in lines:
            line.sendall(head)
            assert line.recv(12) == b"HTTP/1.1 200"
        ninth = api.get(f"{contest.path}/stream", judge)
    finally:
        for line in lines:
            line.close()

    assert (ninth.status_code, ninth.json()["code"]) == (429, "too_many_streams")
    await_that(lambda: api.daemon.metric("crucible_streams") == 0, "the streams are over")


def test_a_stream_ends_with_its_token(api: Api, site: Site, contest: Contest) -> None:
    """It does not outlive the right to it."""
    judge = site.user()
    began = time.monotonic()
    headers = bearer(judge, exp=int(time.time()) - 3)  # five seconds of leeway

    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=headers, timeout=20) as stream:
        assert stream.status_code == 200
        stream.read()

    assert time.monotonic() - began < 20


def test_redis_killed_and_back(site: Site) -> None:
    """503 with Retry-After while it is away, at once and for all; then votes go on from where they were."""
    api = site.api()
    contest, judge = site.contest(), site.user()
    pair = api.pair(contest, judge)
    counted = api.vote(contest, judge, pair)
    assert counted.status_code == 200

    site.stack.redis.kill()
    try:
        body = {"winner": pair["left"]["entryId"], "loser": pair["right"]["entryId"], "token": pair["token"]}
        away = api.post(contest, judge, body)
        await_that(lambda: not api.ready(), "it says that it is not ready", 30)
        alive = httpx.get(f"http://127.0.0.1:{api.ops}/livez", timeout=10).status_code
    finally:
        site.stack.redis.start()
        site.stack.redis.await_ready(30)
    again = api.vote(contest, judge, pair)
    other = api.vote(contest, judge, api.pair(contest, judge))

    assert (away.status_code, away.json()["code"]) == (503, "redis_away")
    assert away.elapsed.total_seconds() < 5
    assert int(away.headers["retry-after"]) >= 1
    assert alive == 200
    assert again.content == counted.content
    assert other.status_code == 200
    assert api.close() == 0


def test_redis_stands_still(site: Site) -> None:
    """Its connection is open and says nothing: what waits is answered 503, and it goes on when Redis does."""
    api = site.api(CRUCIBLE_REDIS__TIMEOUT="1")
    contest, judge = site.contest(), site.user()
    pair = api.pair(contest, judge)
    body = {"winner": pair["left"]["entryId"], "loser": pair["right"]["entryId"], "token": pair["token"]}

    site.stack.redis.pause()
    try:
        stuck = api.post(contest, judge, body)
    finally:
        site.stack.redis.resume()
    later = api.vote(contest, judge, pair)

    assert (stuck.status_code, stuck.json()["code"]) == (503, "redis_away")
    assert stuck.elapsed.total_seconds() < 20
    assert later.status_code == 200
    assert api.get(contest.path, judge).json()["me"] == {"votes": 1}
    assert api.close() == 0


def test_postgres_away_lets_nobody_in(site: Site) -> None:
    """Whom we do not know may nothing, and no image is voted on of which nobody can tell whether it may be shown.

    A vote that has counted is answered all the same.
    """
    api = site.api(CRUCIBLE_POSTGRES__TIMEOUT="1")
    contest, known, stranger = site.contest(), site.user(), site.user()
    pair = api.pair(contest, known)
    counted = api.vote(contest, known, pair)

    site.stack.postgres.pause()
    try:
        repeat = api.vote(contest, known, pair)
        following = counted.json()["pair"]
        left, right = following["left"]["entryId"], following["right"]["entryId"]
        body = {"winner": left, "loser": right, "token": following["token"]}
        await_that(lambda: api.post(contest, known, body).status_code == 503, "what was known of images to be old")
        unseen = api.post(contest, known, body)
        refused = api.client.get(contest.path, headers=bearer(stranger))
    finally:
        site.stack.postgres.resume()

    assert (counted.status_code, repeat.status_code) == (200, 200), repeat.text
    assert (unseen.status_code, unseen.json()["code"]) == (503, "postgres_away")
    assert (refused.status_code, refused.json()["code"]) == (503, "postgres_away")
    assert api.get(contest.path, stranger).status_code == 200
    assert api.close() == 0


def test_what_is_under_way_is_finished_when_it_stops(site: Site) -> None:
    """SIGTERM: streams end, connections close, exit code 0, within seconds."""
    api = site.api()
    contest, judge = site.contest(), site.user()
    api.get(contest.path, judge)
    with httpx.stream("GET", f"{api.url}{contest.path}/stream", headers=bearer(judge), timeout=20) as stream:
        lines = stream.iter_lines()
        assert any(line.startswith("event: standings") for line in lines)  # reads on until it comes
        began = time.monotonic()
        code = api.close()
        list(lines)  # to its end: a stream that is torn raises

    assert code == 0
    assert time.monotonic() - began < 20
