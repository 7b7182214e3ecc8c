"""How long a crucible takes from its end to its result: 100,000 and 1,000,000 entries, each judged about twice.

The parts are production's. A process of its own, ``crucible settle run``, closes the votes, drains them, casts all of
them again and compares, ranks, and writes scores, positions, prizes, notices and events in one transaction; the clock
runs from its start to its end.
"""

import os
import random
import sys
import time
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import clickhouse_connect
import psycopg
from rich.console import Console

from benchmarks.rebuild import _settings_of
from benchmarks.results import Result
from config import load
from demo.play import own_folder
from stack.topology import Options, Stack
from tests import site_database
from watcher.bootstrap.verification import verifying
from watcher.cli import main as crucible
from watcher.model.drain_plan import VOTE_COLUMNS
from watcher.model.rating import BASE_RATING, gain

SIZES = {"settle_100k_s": 100_000, "settle_1m_s": 1_000_000}
GOALS = {"settle_1m_s": 60.0}
JUDGES = 10_000
BLOCK_VOTES = 100_000
LARGEST_MB = 1_500
"""Resident memory of the process that settles a million entries. More does not fit beside others on a small machine."""


def measure(console: Console) -> list[Result]:
    """Settle crucibles of both sizes, without the index by hash that docs/settlement.md asks to drop.

    Raises:
        RuntimeError: one did not come to its result.
    """
    found, peak = settled(console, SIZES, by_hash=False)
    return [*found, Result("settle_peak_rss_mb", round(peak), "MB", goal=LARGEST_MB, lower_is_better=True)]


def settled(console: Console, sizes: Mapping[str, int], *, by_hash: bool) -> tuple[list[Result], float]:
    """Settle a crucible of each size; return what each took, and the largest process' memory in MB.

    Args:
        console: for what is going on.
        sizes: entries by name of the result.
        by_hash: whether the site's index by hash over "crucibleId" is there.

    Raises:
        RuntimeError: one did not come to its result.
    """
    found, most = [], 0.0
    with (
        own_folder() as folder,
        Stack(folder / "stack", ("redis", "clickhouse", "postgres"), Options(fsync=False)) as stack,
        _settings_of(stack),
    ):
        dsn = str(stack.endpoints.postgres_dsn)
        _prepare(dsn, by_hash=by_hash)
        for name, size in sizes.items():
            console.print(f"writing {size:,} entries and as many votes")
            crucible_id = _crucible(dsn, size)
            _decide(dsn, crucible_id)
            _vote(stack, dsn, crucible_id)
            with verifying(load()) as verification:
                verification.verifier.rebuild(crucible_id)
            seconds, peak = _settle(dsn, crucible_id)
            most = max(most, peak)
            console.print(f"  {seconds:.1f} s, {peak:,.0f} MB")
            found.append(Result(name, round(seconds, 1), "s", goal=GOALS.get(name), lower_is_better=True))
    return found, most


def _prepare(dsn: str, *, by_hash: bool) -> None:
    site_database.prepare(dsn)
    with psycopg.connect(dsn, autocommit=True) as site:
        password = psycopg.sql.Literal(site_database.PASSWORD)
        if not by_hash:
            site.execute('DROP INDEX "CrucibleEntry_crucibleId_idx"')  # as docs/settlement.md asks, see there
        site.execute(psycopg.sql.SQL("ALTER ROLE crucible_settle PASSWORD {}").format(password))
    os.environ["CRUCIBLE_POSTGRES__DSN"] = site_database.as_role(dsn, site_database.WATCHER_ROLE)
    os.environ["CRUCIBLE_SETTLE__DSN"] = site_database.as_role(dsn, "crucible_settle")
    _run("migrate", "up")


def _run(*arguments: str) -> tuple[int, float]:
    """Run a command in a process of its own; return its exit code and its peak of resident memory, in MB."""
    process = os.fork()
    if not process:
        sys.argv = ["crucible", *arguments]
        try:
            crucible()
        except SystemExit as left:
            os._exit(left.code if isinstance(left.code, int) else 1)
        os._exit(0)
    _, status, used = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024


def _crucible(dsn: str, size: int) -> int:
    """Return a crucible with entries of a hundred thousand users, each with an image of its own."""
    with psycopg.connect(dsn, autocommit=True) as site:
        site.execute("""INSERT INTO "User" (username) SELECT 'user-' || n FROM generate_series(1, 100000) n
                        ON CONFLICT DO NOTHING""")
        ((crucible_id,),) = site.execute(
            """INSERT INTO "Crucible" ("userId", name, "nsfwLevel", status, "entryLimit", "prizePositions", "updatedAt")
               VALUES (1, 'measured', 31, 'Active', 1000, '{"1": 50, "2": 30, "3": 20}', now()) RETURNING id"""
        ).fetchall()
        site.execute(
            """WITH image AS (
                   INSERT INTO "Image" ("userId", url, "nsfwLevel", ingestion, "updatedAt")
                   SELECT 1 + n %% 100000, 'image', 1, 'Scanned', now() FROM generate_series(1, %s) n
                   RETURNING id, "userId"
               ) INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") SELECT %s, "userId", id FROM image""",
            [size, crucible_id],
        )
        site.execute("ANALYZE")
    return int(crucible_id)


def _decide(dsn: str, crucible_id: int) -> None:
    """Verdicts on all entries, as the role that follows the changes leaves them: everybody is in, and has paid."""
    with psycopg.connect(dsn, autocommit=True) as site:
        site.execute(
            """INSERT INTO crucible_watcher.entry_verdict
                      (entry_id, crucible_id, user_id, image_id, verdict, fee, entered_at)
               SELECT id, "crucibleId", "userId", "imageId", 'admitted', 100, "createdAt" FROM "CrucibleEntry"
                WHERE "crucibleId" = %s""",
            [crucible_id],
        )
        site.execute("ANALYZE")


def _vote(stack: Stack, dsn: str, crucible_id: int) -> None:
    """Write votes and their metric events as a drain leaves them."""
    with psycopg.connect(dsn) as site:
        rows = site.execute('SELECT id FROM "CrucibleEntry" WHERE "crucibleId" = %s ORDER BY id', [crucible_id])
        entries = array("l", (entry for (entry,) in rows))
    at = stack.endpoints
    client = clickhouse_connect.get_client(
        host=at.clickhouse_host, port=at.clickhouse_port, username=at.clickhouse_user,
        password=at.clickhouse_password or "",
    )  # fmt: skip
    for block in _blocks(crucible_id, entries):
        columns = list(zip(*block, strict=True))
        client.insert("crucible_entry_rating", columns, column_names=VOTE_COLUMNS, column_oriented=True)
    client.command(
        "INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt, source, "
        "sourceKey, sourceLsn, sourceId) SELECT 'Crucible', crucible_id, user_id, 'Vote', 1, created_at, 'vote', "
        "crucible_id, vote_seq, reinterpretAsFixedString(toUInt128(vote_seq)) FROM crucible_entry_rating "
        "WHERE crucible_id = {crucible:Int32}",
        parameters={"crucible": crucible_id},
    )
    client.close()


def _blocks(crucible_id: int, entries: "array[int]") -> Iterator[list[tuple[Any, ...]]]:
    chance = random.Random(7)  # a fixed seed, so that runs compare
    ratings = dict[int, int]()
    begun, rows = int(time.time()) - 86_400, list[tuple[Any, ...]]()
    for seq in range(1, len(entries) + 1):
        winner, loser = (entries[index] for index in chance.sample(range(len(entries)), 2))
        before = (ratings.get(winner, BASE_RATING), ratings.get(loser, BASE_RATING))
        points = gain(*before)
        ratings[winner], ratings[loser] = before[0] + points, before[1] - points
        judge = 1_000_000 + seq % JUDGES
        rows.append((crucible_id, winner, loser, judge, begun + seq // 20, 1, seq, ratings[winner], ratings[loser]))
        if len(rows) == BLOCK_VOTES:
            yield rows
            rows = []
    if rows:
        yield rows


def _settle(dsn: str, crucible_id: int) -> tuple[float, float]:
    """Have a crucible end, and settle it; return seconds, and MB."""
    with psycopg.connect(dsn, autocommit=True) as site:
        site.execute('UPDATE "Crucible" SET "endAt" = now() AT TIME ZONE \'UTC\' WHERE id = %s', [crucible_id])
        begun = time.monotonic()
        code, peak = _run("settle", "run", str(crucible_id))
        seconds = time.monotonic() - begun
        ((status, placed),) = site.execute(
            """SELECT status::text, (SELECT count(*) FROM "CrucibleEntry" WHERE "crucibleId" = one.id AND position > 0)
                 FROM "Crucible" one WHERE id = %s""",
            [crucible_id],
        ).fetchall()
    if code or status != "Completed":
        raise RuntimeError(
            f"crucible {crucible_id} is {status} with {placed} places: `crucible settle run` exits with {code}"
        )
    return seconds, peak
