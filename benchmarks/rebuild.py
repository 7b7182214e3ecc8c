"""How fast a crucible that Redis has lost comes back: every vote cast again, every rating and judged pair written.

The parts are production's, Redis with ``appendfsync always``. Votes lie in ClickHouse as the drain leaves them; the
clock runs from an empty Redis to the crucible taking votes, with the replay that proves the ratings.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import clickhouse_connect
import psycopg
import redis
from rich.console import Console

from benchmarks.results import Result
from config import load
from demo.play import own_folder
from stack.topology import Options, Stack
from tests import site_database
from watcher.bootstrap.verification import verifying
from watcher.model.drain_plan import VOTE_COLUMNS
from watcher.model.rating import BASE_RATING, gain
from watcher.recovery.rebuild import Rebuilt

ENTRIES = 1_000
VOTES = 1_000_000
JUDGES = 10_000
GOAL_PER_SECOND = 300_000
BLOCK_VOTES = 100_000
RUNS = 3


def measure(console: Console) -> list[Result]:
    """Rebuild a crucible of a million votes, several times; the median counts.

    Raises:
        RuntimeError: it did not come back as it was.
    """
    with (
        own_folder() as folder,
        Stack(
            folder / "stack", ("redis", "clickhouse", "postgres"), Options(fsync=False, redis_appendfsync="always")
        ) as stack,
        _settings_of(stack),
    ):
        subprocess.run([sys.executable, "-m", "watcher", "migrate", "up"], check=True, capture_output=True)
        crucible_id, entries = _site(stack)
        console.print(f"writing {VOTES:,} votes of {JUDGES:,} judges on {ENTRIES:,} entries to ClickHouse")
        ratings = _votes(stack, crucible_id, entries)
        took = []
        with verifying(load()) as verification, redis.Redis.from_url(stack.redis.url) as client:
            for _ in range(RUNS):
                client.flushall()
                begun = time.monotonic()
                done = verification.verifier.rebuild(crucible_id, replayed=True)
                took.append(time.monotonic() - begun)
                if not isinstance(done, Rebuilt) or done.replayed != VOTES or done.pairs != VOTES:
                    raise RuntimeError(f"{done} instead of {VOTES} votes replayed")
                shown: dict[bytes, bytes] = client.hgetall(f"crucible:{crucible_id}:elo")
                if {int(one): int(rating) for one, rating in shown.items()} != ratings:
                    raise RuntimeError("the ratings that came back are other than those that were lost")
                console.print(f"  {took[-1]:.2f} s")
    return [Result("rebuild_votes_per_s", round(VOTES / sorted(took)[RUNS // 2]), "1/s", goal=GOAL_PER_SECOND)]


@contextmanager
def _settings_of(stack: Stack) -> Iterator[None]:
    """Give the parts' addresses in our environment, for a while."""
    before = dict(os.environ)
    os.environ.update(stack.environ())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _site(stack: Stack) -> tuple[int, list[int]]:
    """Return an active crucible with entries, each with an image that may be shown."""
    dsn = str(stack.endpoints.postgres_dsn)
    site_database.prepare(dsn)
    with psycopg.connect(dsn, autocommit=True) as site:
        ((crucible_id,),) = site.execute(
            """INSERT INTO "Crucible" ("userId", name, "nsfwLevel", status, "updatedAt")
               VALUES (1, 'measured', 31, 'Active', now()) RETURNING id"""
        ).fetchall()
        rows = site.execute(
            """WITH image AS (
                   INSERT INTO "Image" ("userId", url, "nsfwLevel", ingestion, "updatedAt")
                   SELECT 1, 'image', 1, 'Scanned', now() FROM generate_series(1, %s) RETURNING id
               ) INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId")
                 SELECT %s, 1, id FROM image RETURNING id""",
            [ENTRIES, crucible_id],
        ).fetchall()
    return crucible_id, [row[0] for row in rows]


def _votes(stack: Stack, crucible_id: int, entries: list[int]) -> dict[int, int]:
    """Write votes and their metric events; returns the ratings that they lead to."""
    chance = random.Random(7)  # a fixed seed, so that runs compare
    ratings = dict.fromkeys(entries, BASE_RATING)
    server = stack.endpoints
    client = clickhouse_connect.get_client(
        host=server.clickhouse_host,
        port=server.clickhouse_port,
        username=server.clickhouse_user,
        password=server.clickhouse_password or "",
    )
    begun = int(time.time()) - 86_400
    rows: list[tuple[Any, ...]] = []
    # Each judge sees each pair once: judges take turns, and walk over the pairs each from a place of his own.
    for seq in range(1, VOTES + 1):
        judge, turn = seq % JUDGES, seq // JUDGES
        one = entries[(judge * 7 + turn) % ENTRIES]
        other = entries[(judge * 7 + turn + 1 + judge % (ENTRIES - 1)) % ENTRIES]
        winner, loser = (one, other) if chance.random() < 0.5 else (other, one)
        points = gain(ratings[winner], ratings[loser])
        ratings[winner] += points
        ratings[loser] -= points
        at = begun + seq // 20
        rows.append((crucible_id, winner, loser, 1_000 + judge, at, 1, seq, ratings[winner], ratings[loser]))
        if len(rows) == BLOCK_VOTES:
            columns = list(zip(*rows, strict=True))
            client.insert("crucible_entry_rating", columns, column_names=VOTE_COLUMNS, column_oriented=True)
            rows = []
    client.command(
        "INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt, source, "
        "sourceKey, sourceLsn, sourceId) SELECT 'Crucible', crucible_id, user_id, 'Vote', 1, created_at, 'vote', "
        "crucible_id, vote_seq, reinterpretAsFixedString(toUInt128(vote_seq)) FROM crucible_entry_rating"
    )
    client.close()
    return ratings
