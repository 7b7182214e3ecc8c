"""How fast entries get their verdicts, and how soon judges see them, through real Debezium with the shipped settings.

First entries come one by one, 200 a second, into twenty crucibles, and a thread of its own looks for each in what Redis
serves pairs from. Then 100,000 come at once by COPY, into twenty others; what counts is the CPU time of the whole watch
role until each has its verdict and is votable, so reading the changes, its own verdicts among them, is part of it.
Nothing of the watcher's own metrics is used.
"""

import threading
import time
from collections.abc import Callable, Iterable

import redis
from psycopg import Connection
from rich.console import Console

from benchmarks.process import family_cpu_seconds, peak_rss_mb
from benchmarks.results import Result, percentile
from demo.pipeline import SHUTDOWN_SECONDS, Pipeline
from demo.places import Places
from demo.play import own_folder
from stack.topology import Stack

ENTRIES_PER_SECOND = 200
"""Entries a second that come one by one."""
WARM_UP_ENTRIES = 400
TIMED_ENTRIES = 3_000
FLOOD_ENTRIES = 100_000
CRUCIBLES = 20
USERS = 1_000
LOOK_SECONDS = 0.004
PATIENCE_SECONDS = 120.0
VOTABLE_GOAL_SECONDS, FLOOD_GOAL_SECONDS, PEAK_GOAL_MB = 0.5, 60.0, 300.0
PEOPLE = "INSERT INTO \"User\" (username) SELECT 'entrant ' || n FROM generate_series(1, %s) n RETURNING id"
PICTURES = """
INSERT INTO "Image" ("userId", url, "nsfwLevel", ingestion, "updatedAt")
SELECT (%(users)s::int[])[1 + n %% cardinality(%(users)s::int[])], 'picture ' || n, 1, 'Scanned', now()
  FROM generate_series(1, %(most)s) n
RETURNING id, "userId"
"""
CONTESTS = """
INSERT INTO "Crucible" (name, "userId", "nsfwLevel", "entryLimit", status, "startAt", "endAt", "updatedAt")
SELECT 'contest ' || n, %s, 31, 10000, 'Active', now() AT TIME ZONE 'UTC' - interval '1 hour',
       now() AT TIME ZONE 'UTC' + interval '1 day', now() AT TIME ZONE 'UTC'
  FROM generate_series(1, %s) n
RETURNING id
"""
ENTER = 'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") VALUES (%s, %s, %s) RETURNING id'
FLOOD = 'COPY "CrucibleEntry" ("crucibleId", "userId", "imageId") FROM STDIN'
DECIDED = "SELECT count(*) FROM crucible_watcher.entry_verdict WHERE crucible_id = ANY(%s) AND verdict = 'admitted'"

OwnedPicture = tuple[int, int]
"""An image and whose it is."""


def measure(console: Console) -> list[Result]:
    """Run the topology and time entries.

    Raises:
        RuntimeError: the load was not what it should be, or not every entry became votable: then speed says nothing.
    """
    with own_folder() as folder, Stack(folder / "stack") as stack, Pipeline(stack, folder, console.print) as pipeline:
        with Places.at(stack.endpoints) as places:
            users = [user for (user,) in places.postgres.execute(PEOPLE, (USERS,))]
            most = WARM_UP_ENTRIES + TIMED_ENTRIES + FLOOD_ENTRIES
            pictures = places.postgres.execute(PICTURES, {"users": users, "most": most}).fetchall()
            trickle, flood = (
                [one for (one,) in places.postgres.execute(CONTESTS, (users[0], CRUCIBLES))] for _ in "12"
            )
            took = _trickle(console, places, trickle, pictures[:-FLOOD_ENTRIES])
            results = _flood(console, pipeline, places, flood, pictures[-FLOOD_ENTRIES:])
        pipeline.watcher.stop(SHUTDOWN_SECONDS)
    p50, p99 = (round(percentile(took, share), 4) for share in (0.5, 0.99))
    return [
        Result("entry_votable_p50_s", p50, "s", lower_is_better=True),
        Result("entry_votable_p99_s", p99, "s", goal=VOTABLE_GOAL_SECONDS, lower_is_better=True),
        *results,
    ]


def _trickle(console: Console, places: Places, crucibles: list[int], pictures: list[OwnedPicture]) -> list[float]:
    """Return the seconds from before each entry's commit until after the answer of Redis that shows it."""
    watched = _Watched(places.redis)
    _enter(places.postgres, watched, crucibles, pictures[:WARM_UP_ENTRIES])
    watched.finish()
    timed = _Watched(places.redis)
    rate = _enter(places.postgres, timed, crucibles, pictures[WARM_UP_ENTRIES:])
    timed.finish()
    console.print(f"{len(timed.took)} entries came at {rate:.0f} a second and are votable")
    if rate < 0.9 * ENTRIES_PER_SECOND:
        raise RuntimeError(
            f"entries came at {rate:.0f}/s instead of {ENTRIES_PER_SECOND}: this machine is too busy to measure"
        )
    return timed.took


def _enter(
    postgres: Connection[tuple[int, ...]], watched: "_Watched", crucibles: list[int], pictures: list[OwnedPicture]
) -> float:
    """Enter pictures one by one; return how many a second that were."""
    began = time.monotonic()
    for number, (image, user) in enumerate(pictures):
        time.sleep(max(0.0, began + number / ENTRIES_PER_SECOND - time.monotonic()))
        crucible, at = crucibles[number % len(crucibles)], time.monotonic()
        row = postgres.execute(ENTER, (crucible, user, image)).fetchone()
        watched.add(crucible, row[0] if row else 0, at)
    return len(pictures) / (time.monotonic() - began)


class _Watched:
    """Entries that a thread looks for in Redis until each of them is in a pool that pairs are drawn from."""

    def __init__(self, client: redis.Redis) -> None:
        self.took: list[float] = []
        self._client = client
        self._open: dict[int, tuple[int, float]] = {}
        self._no_more = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def add(self, crucible_id: int, entry_id: int, at: float) -> None:
        """Look for an entry from now on, whose clock started before."""
        self._open[entry_id] = crucible_id, at

    def finish(self) -> None:
        """Return once all were seen.

        Raises:
            RuntimeError: some are not to be seen.
        """
        self._no_more.set()
        self._thread.join(PATIENCE_SECONDS)
        if self._open:
            raise RuntimeError(f"{len(self._open)} entries are not votable after {PATIENCE_SECONDS:g} s")

    def _look(self) -> None:
        until = float("inf")
        while (self._open or not self._no_more.is_set()) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            if self._no_more.is_set() and until == float("inf"):
                until = time.monotonic() + PATIENCE_SECONDS
            some = list(self._open.items())
            pipeline = self._client.pipeline(transaction=False)
            for entry, (crucible, _) in some:
                pipeline.hexists(f"{{crucible:{crucible}:elo}}:admitted", str(entry))
            answers, now = pipeline.execute(), time.monotonic()
            for (entry, (_, at)), there in zip(some, answers, strict=True):
                if there:
                    self.took.append(now - at)
                    del self._open[entry]


def _flood(
    console: Console, pipeline: Pipeline, places: Places, crucibles: list[int], pictures: list[OwnedPicture]
) -> list[Result]:
    """Enter everything at once, and measure until all of it is votable."""
    pid = pipeline.watcher.pid or 0
    before, began = family_cpu_seconds(pid), time.monotonic()
    with places.postgres.cursor() as cursor, cursor.copy(FLOOD) as copy:
        for number, (image, user) in enumerate(pictures):
            copy.write_row((crucibles[number % len(crucibles)], user, image))
    decided = _await("verdicts", len(pictures), lambda: _count(places.postgres.execute(DECIDED, (crucibles,))))
    decided_seconds = decided - began
    votable = _await("votable entries", len(pictures), lambda: _votable(places.redis, crucibles))
    cpu = family_cpu_seconds(pid) - before
    console.print(
        f"{len(pictures):,} entries at once: decided after {decided_seconds:.1f} s, "
        f"votable after {votable - began:.1f} s, {cpu:.1f} CPU seconds of the watch role"
    )
    return [
        Result("verdicts_per_cpu_s", round(len(pictures) / cpu, 1), "/s"),
        Result("verdicts_per_s", round(len(pictures) / decided_seconds, 1), "/s"),
        Result("entries_flood_s", round(votable - began, 2), "s", goal=FLOOD_GOAL_SECONDS, lower_is_better=True),
        Result("entries_peak_rss_mb", round(peak_rss_mb(pid), 1), "MB", goal=PEAK_GOAL_MB, lower_is_better=True),
    ]


def _await(what: str, expected: int, count: Callable[[], int]) -> float:
    """Return the time at which there were as many as expected."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := count()) < expected:
        if time.monotonic() > until:
            raise RuntimeError(f"{found} of {expected} {what} after {PATIENCE_SECONDS:g} s")
        time.sleep(0.25)
    return time.monotonic()


def _count(rows: Iterable[tuple[int, ...]]) -> int:
    ((found,),) = rows
    return found


def _votable(client: redis.Redis, crucibles: list[int]) -> int:
    pipeline = client.pipeline(transaction=False)
    for crucible in crucibles:
        pipeline.hlen(f"{{crucible:{crucible}:elo}}:admitted")
    return sum(pipeline.execute())
