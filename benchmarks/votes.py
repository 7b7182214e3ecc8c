"""Votes a second through HTTP, beside the least that the same server can do, and what each protection costs.

The shipped API with its own drain, Redis with its file synced at every vote, PostgreSQL, ClickHouse; 64 connections
that each send the next vote when the answer to the last is there. Every vote is of a pair that its judge has not
judged, with a token of that judge and a signed token of that pair. The baseline is an empty Starlette application that
decodes and encodes with msgspec, on the same server with the same settings, asked by the same program with the same
requests.

Whatever is compared runs in turns of about a second, one right after the other, and the medians count: these machines
change their speed by half within seconds, and so both met the same one.
"""

import itertools
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import redis
from rich.console import Console

from benchmarks.load import Loaded
from benchmarks.process import cpu_seconds
from benchmarks.results import Result
from demo.play import own_folder
from stack.topology import Options, PartName, Stack
from tests.api.site import Api, Contest, Site, pair_token, token

CONNECTIONS: Final = 64
REQUESTS: Final = 5_000
"""Of one turn."""
WARM_VOTES: Final = 20_000
"""Votes before anything counts: code is warm, judges have a history, ClickHouse has parts to merge."""
TURNS: Final = 20
"""Pairs of turns that the goals are measured by; the figures beside have half of them."""
JUDGES, ENTRIES = 500, 200
GOAL_RATIO, P99_GOAL_MS = 0.50, 20.0
BEFORE_VOTES, BEFORE_P99_MS = 2_800.0, 18.0
"""What the engine that this one replaces came to on two cores, without auth, tokens or limits."""


def measure(console: Console) -> list[Result]:
    """Run all of it.

    Raises:
        RuntimeError: a vote was refused: then speed says nothing.
    """
    with ExitStack() as parts:
        folder = parts.enter_context(own_folder())
        stack, site = parts.enter_context(_site(folder / "always", "always"))
        whole = _Votes(site, parts.enter_context(_started(site, {})))
        results = _with_everything(console, stack, whole)
        for name, environ in _WITHOUT.items():
            with _started(site, environ) as api:
                other = _Votes(site, api, tokens=name != "pair_tokens")
                results.append(_without(console, f"without_{name}", other, whole))
        unseen = _Votes(site, whole.api, seen=False)
        results.append(_without(console, "of_unseen_bearers", unseen, whole))
        _, lazy = parts.enter_context(_site(folder / "everysec", "everysec"))
        other = _Votes(lazy, parts.enter_context(_started(lazy, {})))
        results.append(_without(console, "without_fsync", other, whole))
        whole.check()
    return results


_WITHOUT: Final[Mapping[str, dict[str, str]]] = {
    "pair_tokens": {"CRUCIBLE_API__REQUIRE_PAIR_TOKEN": "false"},
    "limits": {"CRUCIBLE_API__VOTES_PER_MINUTE": "0"},
}
"""What is switched off, for the figures beside. Bearer tokens cannot be: instead each request brings one that was never
seen, and so does without what spares their verification."""


@contextmanager
def _site(folder: Path, appendfsync: Any) -> Iterator[tuple[Stack, Site]]:
    parts: tuple[PartName, ...] = ("redis", "postgres", "clickhouse")
    with Stack(folder / "stack", parts=parts, options=Options(redis_appendfsync=appendfsync)) as stack:
        site = Site(stack, folder, anew=True)
        try:
            yield stack, site
        finally:
            site.close()


def _with_everything(console: Console, stack: Stack, votes: "_Votes") -> list[Result]:
    ratios, rates, hellos, p99s, costs = [], [], [], [], []
    daemon = votes.api.daemon.pid
    with _hello() as (port, pid), redis.Redis.from_url(stack.redis.url) as client:
        votes.load(WARM_VOTES)
        votes.load(REQUESTS, port)
        for turn in range(TURNS):
            at = cpu_seconds(pid)
            hello = votes.load(REQUESTS, port)
            least = (cpu_seconds(pid) - at) / REQUESTS * 1e6
            before, at = _script_seconds(client), cpu_seconds(daemon)
            vote = votes.load(REQUESTS)
            after = _script_seconds(client)
            costs.append((after - before) / REQUESTS * 1e6)
            used = (cpu_seconds(daemon) - at) / REQUESTS * 1e6
            ratios.append(vote.per_second / hello.per_second)
            rates.append(vote.per_second)
            hellos.append(hello.per_second)
            p99s.append(vote.p99_ms)
            console.print(
                f"turn {turn + 1}: {vote.per_second:,.0f} votes/s, p50 {vote.p50_ms:.1f} ms, p99 {vote.p99_ms:.1f} ms, "
                f"{used:.0f} us of CPU; hello {hello.per_second:,.0f}/s, {least:.0f} us of CPU; ratio {ratios[-1]:.2f}"
            )
    return [
        Result("votes_vs_hello", round(statistics.median(ratios), 3), "ratio", 1.0, GOAL_RATIO),
        Result(
            "votes_p99_ms", round(statistics.median(p99s), 2), "ms", BEFORE_P99_MS, P99_GOAL_MS, lower_is_better=True
        ),
        Result("votes_per_s", round(statistics.median(rates)), "votes/s", BEFORE_VOTES),
        Result("votes_hello_per_s", round(statistics.median(hellos)), "requests/s"),
        Result("votes_redis_us", round(statistics.median(costs), 1), "us", lower_is_better=True),
    ]


def _without(console: Console, name: str, other: "_Votes", whole: "_Votes") -> Result:
    """Return what votes come to in another way, beside what they come to with everything in the same minute."""
    rates, all_on = [], []
    for votes in (other, whole):
        votes.load(REQUESTS)
    for _ in range(TURNS // 2):
        rates.append(other.load(REQUESTS).per_second)
        all_on.append(whole.load(REQUESTS).per_second)
    other.check()
    more = statistics.median(one / all_ for one, all_ in zip(rates, all_on, strict=True)) - 1
    rate = statistics.median(rates)
    console.print(f"votes {name}: {rate:,.0f}/s, {more:+.0%}")
    return Result(f"votes_per_s_{name}", round(rate), "votes/s", round(statistics.median(all_on)))


class _Votes:
    """Prepared votes on a crucible of their own."""

    def __init__(self, site: Site, api: Api, *, tokens: bool = True, seen: bool = True) -> None:
        self._site, self.api, self._tokens, self._seen = site, api, tokens, seen
        self._contest: Contest = site.contest(entries=ENTRIES)
        self._judges = [site.user() for _ in range(JUDGES)]
        self._until = int(time.time()) + 3_600
        self._bearers = {judge: token(judge, exp=self._until).encode() for judge in self._judges}
        pairs = list(itertools.combinations(self._contest.entries, 2))
        random.Random(7).shuffle(pairs)
        self._next = ((judge, *pair) for pair in pairs for judge in self._judges)
        self._sent = 0
        api.get(self._contest.path, self._judges[0])  # it is brought to Redis

    def load(self, count: int, hello: int | None = None) -> Loaded:
        """Send the next votes to the API, or what would be votes to the empty application at the port ``hello``.

        Raises:
            RuntimeError: one was refused.
        """
        requests = [self._request(*one) for one in itertools.islice(self._next, count)]
        file = self._site.folder / "requests"
        file.write_bytes(msgspec.msgpack.encode(requests))
        port = self.api.port if hello is None else hello
        command = [sys.executable, "-m", "benchmarks.load", str(port), str(CONNECTIONS), str(file)]
        done = subprocess.run(command, capture_output=True, check=True)
        told = msgspec.json.decode(done.stdout, type=Loaded)
        if told.statuses != {200: count}:
            raise RuntimeError(f"port {port} answered {told.statuses}: {told.a_refusal}")
        if hello is None:
            self._sent += count
        return told

    def check(self) -> None:
        """All of them counted.

        Raises:
            RuntimeError: or not.
        """
        until = time.monotonic() + 30
        while (told := self.api.get(self._contest.path, self._judges[0]).json())["votes"] != self._sent:
            if time.monotonic() > until:
                raise RuntimeError(f"{self._sent} votes were cast, {told['votes']} counted")
            time.sleep(0.1)

    def _request(self, judge: int, winner: int, loser: int) -> bytes:
        body: dict[str, Any] = {"winner": winner, "loser": loser}
        if self._tokens:
            body["token"] = pair_token(self._contest, judge, winner, loser, time.time() + 3_600)
        text = msgspec.json.encode(body)
        bearer = self._bearers[judge] if self._seen else token(judge, exp=self._until, jti=f"{winner}:{loser}").encode()
        return b"POST %s/votes HTTP/1.1\r\n%s\r\n%s" % (
            self._contest.path.encode(),
            b"host: 127.0.0.1\r\nauthorization: Bearer %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            % (bearer, len(text)),
            text,
        )


@contextmanager
def _started(site: Site, environ: Mapping[str, str]) -> Iterator[Api]:
    api = site.api(**{"CRUCIBLE_API__VOTES_PER_MINUTE": "1000000", **environ})
    try:
        yield api
    finally:
        api.close()


@contextmanager
def _hello() -> Iterator[tuple[int, int]]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.hello"], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()


def _script_seconds(client: "redis.Redis") -> float:
    """Return what Redis has spent in scripts so far."""
    told: dict[str, Any] = client.info("commandstats")
    return float(told.get("cmdstat_evalsha", {}).get("usec", 0)) / 1e6
