"""Entries inserted to see how long they take to show up, while the site is busy."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psycopg

from demo.places import Places

REDIS_EVERY_SECONDS = 0.002
CLICKHOUSE_EVERY_SECONDS = 0.025
"""Seconds between two looks. What is measured is too long by up to this, never too short."""
OPEN_CRUCIBLE = (
    'INSERT INTO "Crucible" ("userId", name, status, "updatedAt") '
    "SELECT id, 'probe', 'Active', now() FROM \"User\" ORDER BY id LIMIT 1 RETURNING id"
)
INSERT_PROBE = (
    'INSERT INTO "CrucibleEntry" ("crucibleId", "userId", "imageId") '
    'SELECT %s, "userId", id FROM "Image" ORDER BY id LIMIT 1 RETURNING id'
)
SEEN_IN_CLICKHOUSE = """
SELECT sourceKey FROM entityMetricEvents
WHERE entityType = 'Crucible' AND entityId = {crucible:Int32} AND sourceKey IN {entries:Array(Int64)}
"""


@dataclass(slots=True)
class Pending:
    """Probes that are committed and not seen yet in one sink, and how long the others took."""

    took: dict[int, float] = field(default_factory=dict)
    """Entry -> seconds from before its commit was sent until it was seen."""
    _since: dict[int, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, entry: int, since: float) -> None:
        """A probe is committed."""
        with self._lock:
            self._since[entry] = since

    def waiting(self) -> list[int]:
        """Return the probes not seen yet."""
        with self._lock:
            return list(self._since)

    def seen(self, entries: Iterable[int]) -> None:
        """Some of them are there now."""
        now = time.monotonic()
        with self._lock:
            for entry in entries:
                since = self._since.pop(entry, None)
                if since is not None:
                    self.took[entry] = now - since


class Probes:
    """Inserts probes into a crucible of its own and watches for them in both sinks, by its own connections.

    Args:
        connect: makes a set of connections; each thread has its own.
    """

    def __init__(self, connect: Callable[[], Places]) -> None:
        self._connect = connect
        self.redis = Pending()
        self.clickhouse = Pending()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []

    def run(self, count: int, every: float, patience: float) -> None:
        """Insert ``count`` probes, one each ``every`` seconds, and wait for them.

        Raises:
            TimeoutError: ``patience`` seconds after the last one some are still not there, or their crucible is not.
        """
        with self._connect() as places:
            crucible = self._open(places.postgres)
            self._await_crucible(places, crucible, patience)
            watchers = [
                threading.Thread(target=self._watch, args=(look, pending, pause, crucible))
                for look, pending, pause in (
                    (_in_redis, self.redis, REDIS_EVERY_SECONDS),
                    (_in_clickhouse, self.clickhouse, CLICKHOUSE_EVERY_SECONDS),
                )
            ]
            for watcher in watchers:
                watcher.start()
            try:
                self._insert(places.postgres, crucible, count, every)
                self._await(patience)
            finally:
                self._stop.set()
                for watcher in watchers:
                    watcher.join()

    def _open(self, postgres: psycopg.Connection[tuple[int, ...]]) -> int:
        row = postgres.execute(OPEN_CRUCIBLE).fetchone()
        if row is None:
            raise LookupError("the site has no users; start the simulator first")
        return row[0]

    def _await_crucible(self, places: Places, crucible: int, patience: float) -> None:
        """Wait until Redis shows the crucible; its entries come by another topic, and may not wait for it."""
        until = time.monotonic() + patience
        while not places.redis.exists(f"{{crucible:{crucible}:elo}}:state"):
            if time.monotonic() > until:
                raise TimeoutError(f"{patience:g} s after it was opened Redis lacks the probes' crucible {crucible}")
            time.sleep(0.05)

    def _insert(self, postgres: psycopg.Connection[tuple[int, ...]], crucible: int, count: int, every: float) -> None:
        due = time.monotonic()
        for _ in range(count):
            with postgres.transaction():
                row = postgres.execute(INSERT_PROBE, (crucible,)).fetchone()
                if row is None:
                    raise LookupError("the site has no images; start the simulator first")
                since = time.monotonic()
            self.redis.put(row[0], since)
            self.clickhouse.put(row[0], since)
            due += every
            time.sleep(max(0.0, due - time.monotonic()))

    def _await(self, patience: float) -> None:
        until = time.monotonic() + patience
        while self.redis.waiting() or self.clickhouse.waiting():
            if self._errors:
                raise self._errors[0]
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{patience:g} s after the last probe Redis lacks {len(self.redis.waiting())} "
                    f"and ClickHouse {len(self.clickhouse.waiting())} of them"
                )
            time.sleep(0.05)

    def _watch(
        self, look: Callable[[Places, int, list[int]], list[int]], pending: Pending, pause: float, crucible: int
    ) -> None:
        try:
            with self._connect() as places:
                while not self._stop.is_set():
                    if waiting := pending.waiting():
                        pending.seen(look(places, crucible, waiting))
                    self._stop.wait(pause)
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            self._errors.append(error)


def _in_redis(places: Places, crucible: int, entries: list[int]) -> list[int]:
    ratings = places.redis.hmget(f"crucible:{crucible}:elo", [str(entry) for entry in entries])
    return [entry for entry, rating in zip(entries, ratings, strict=True) if rating is not None]


def _in_clickhouse(places: Places, crucible: int, entries: list[int]) -> list[int]:
    parameters = {"crucible": crucible, "entries": entries}
    return [entry for (entry,) in places.clickhouse.query(SEEN_IN_CLICKHOUSE, parameters=parameters).result_rows]
