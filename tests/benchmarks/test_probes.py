"""The probes measure what they are shown: a delay put in comes out, and one that never arrives is an error."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Self

import psycopg
import pytest

from benchmarks.probes import Probes
from demo.places import Places
from demo.simulator import Simulator

if TYPE_CHECKING:
    from stack import Stack

REDIS_DELAY, CLICKHOUSE_DELAY = 1.0, 1.2
COUNT = 12
HEAD_START_SECONDS = 0.8
"""Seconds at most between the start of an insert, which is an entry's own time, and its commit, the probe's."""
SLACK_SECONDS = 1.0
"""Seconds that a busy machine may take to look again."""


CRUCIBLES = 'SELECT id FROM "Crucible" WHERE id > %s ORDER BY id'
ENTRIES = (
    'SELECT id, "crucibleId", extract(epoch FROM "createdAt")::float8 FROM "CrucibleEntry" WHERE id > %s ORDER BY id'
)
COLUMNS = ("entityType", "entityId", "userId", "metricType", "metricValue", "createdAt", "source", "sourceKey")


@pytest.fixture
def connect(stores: Stack, places: Places, site: str):
    """Connections to a site and to empty sinks."""

    def make() -> Places:
        at_stack = Places.at(stores.endpoints)
        at_stack.postgres.close()
        return Places(psycopg.connect(site, autocommit=True), at_stack.clickhouse, at_stack.redis)

    return make


@pytest.fixture
def people(connect, site: str) -> None:
    """Users and images."""
    Simulator(site).close()


class SlowWatcher:
    """Brings new entries over late: Redis after a second, ClickHouse a bit later; ``lose`` is one it never brings."""

    def __init__(self, connect, lose: int | None = None) -> None:
        self.brought: dict[str, dict[int, tuple[float, float]]] = {"redis": {}, "clickhouse": {}}
        """Sink -> entry -> its age when the write began and when it was done."""
        self._connect = connect
        self._lose = lose
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        with self._connect() as places:
            row = places.postgres.execute('SELECT coalesce(max(id), 0) FROM "CrucibleEntry"').fetchone()
        self._last = row[0]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        with self._connect() as places:
            opened = 0
            while not self._stop.is_set():
                for (crucible,) in places.postgres.execute(CRUCIBLES, (opened,)).fetchall():
                    places.redis.hset(f"{{crucible:{crucible}:elo}}:state", "status", "Active")
                    opened = crucible
                for number, (entry, crucible, since) in enumerate(
                    places.postgres.execute(ENTRIES, (self._last,)).fetchall()
                ):
                    if number != self._lose:
                        self._bring("redis", REDIS_DELAY, entry, since, partial(_rate, places, crucible, entry))
                    self._bring("clickhouse", CLICKHOUSE_DELAY, entry, since, partial(_count, places, crucible, entry))
                self._stop.wait(0.02)

    def _bring(self, sink: str, delay: float, entry: int, since: float, write) -> None:
        age = time.time() - since
        if age >= delay and entry not in self.brought[sink]:
            write()
            self.brought[sink][entry] = age, time.time() - since


def _rate(places: Places, crucible: int, entry: int) -> None:
    places.redis.hset(f"crucible:{crucible}:elo", str(entry), "1500")


def _count(places: Places, crucible: int, entry: int) -> None:
    row = ("Crucible", crucible, 1, "Entry", 1, datetime.now(UTC), "CrucibleEntry", entry)
    places.clickhouse.insert("entityMetricEvents", [row], column_names=COLUMNS)


@pytest.mark.usefixtures("people")
def test_delay_comes_out(connect) -> None:
    """Every probe is timed in both sinks: not before the write began, and soon after it was done."""
    probes = Probes(connect)
    with SlowWatcher(connect) as watcher:
        probes.run(COUNT, every=0.02, patience=20)

    for took, brought in (
        (probes.redis.took, watcher.brought["redis"]),
        (probes.clickhouse.took, watcher.brought["clickhouse"]),
    ):
        assert took.keys() == brought.keys()
        assert len(took) == COUNT
        for entry, (began, done) in brought.items():
            assert began - HEAD_START_SECONDS < took[entry] < done + SLACK_SECONDS


@pytest.mark.usefixtures("people")
def test_probe_that_never_arrives_is_an_error(connect) -> None:
    """A lost probe ends the measurement instead of leaving a fine percentile of the others."""
    with SlowWatcher(connect, lose=3), pytest.raises(TimeoutError, match="Redis lacks 1 and ClickHouse 0"):
        Probes(connect).run(COUNT, every=0.02, patience=10)


def test_site_without_people_is_told(connect) -> None:
    """Probes need a user; the error says what to start."""
    with pytest.raises(LookupError, match="start the simulator"):
        Probes(connect).run(1, every=0.1, patience=1)
