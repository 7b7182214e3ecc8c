"""Streams that nobody reads, that are too many, or whose token expires, hold nobody up."""

import json
import socket
import threading
import time
from contextlib import closing, suppress
from typing import Any

import httpx

from tests.api.site import Api, Contest, Site, bearer, token
from tests.awaiting import await_that


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
