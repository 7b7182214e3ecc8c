"""How long from a commit in Postgres until it shows in Redis and in ClickHouse, through real Debezium, under load.

The whole topology runs with the settings that it ships with. The site simulator makes the load; beside it a probe entry
is committed ten times a second, and two threads look for it in the sinks. Nothing of the watcher's own metrics is used.
"""

import time
from functools import partial

from rich.console import Console

from benchmarks.probes import Probes
from benchmarks.results import Result, percentile
from demo.audit import audit
from demo.pipeline import SHUTDOWN_SECONDS, Pipeline
from demo.places import Places
from demo.play import own_folder
from demo.readings import COUNT_CHANGES
from stack.topology import Stack

CHANGES_PER_SECOND = 500.0
"""Row changes a second of the load."""
WARM_UP_PROBES = 100
PROBES = 400
EVERY_SECONDS = 0.1
"""Seconds between two probes."""
PATIENCE_SECONDS = 60.0
REDIS_GOAL_SECONDS, CLICKHOUSE_GOAL_SECONDS = 0.3, 1.5
"""Seconds, of the 99th percentile."""
BEFORE_P50, BEFORE_P99 = 15.0, 30.0
"""What the engine that this one replaces came to on two cores, with its defaults."""


def measure(console: Console) -> list[Result]:
    """Run the topology under load and time the probes.

    Raises:
        RuntimeError: the load was not what it should be, or not everything arrived once: then speed says nothing.
    """
    with own_folder() as folder, Stack(folder / "stack") as stack, Pipeline(stack, folder, console.print) as pipeline:
        people = pipeline.simulator(("--seconds", "3600", "--rate", str(CHANGES_PER_SECOND)))
        people.start()
        people.await_word(60)
        try:
            connect = partial(Places.at, stack.endpoints)
            console.print(f"warming up with {WARM_UP_PROBES} probes")
            Probes(connect).run(WARM_UP_PROBES, EVERY_SECONDS, PATIENCE_SECONDS)
            probes = Probes(connect)
            console.print(f"timing {PROBES} probes at {CHANGES_PER_SECOND:g} changes/s")
            with connect() as places:
                began, before = time.monotonic(), _changes(places)
                probes.run(PROBES, EVERY_SECONDS, PATIENCE_SECONDS)
                rate = (_changes(places) - before) / (time.monotonic() - began)
            people.stop(30)
            _check(pipeline, connect, rate)
        finally:
            people.kill()
    return [
        *_results("redis", probes.redis.took, REDIS_GOAL_SECONDS),
        *_results("clickhouse", probes.clickhouse.took, CLICKHOUSE_GOAL_SECONDS),
    ]


def _results(sink: str, took: dict[int, float], goal: float) -> list[Result]:
    p50, p99 = (round(percentile(took.values(), share), 4) for share in (0.5, 0.99))
    return [
        Result(f"freshness_{sink}_p50_s", p50, "s", baseline=BEFORE_P50, lower_is_better=True),
        Result(f"freshness_{sink}_p99_s", p99, "s", baseline=BEFORE_P99, goal=goal, lower_is_better=True),
    ]


def _check(pipeline: Pipeline, connect: "partial[Places]", rate: float) -> None:
    """The load was there, and all of it arrived once."""
    if rate < 0.9 * CHANGES_PER_SECOND:
        raise RuntimeError(
            f"the load was {rate:.0f} changes/s instead of {CHANGES_PER_SECOND:g}: this machine is too busy to measure"
        )
    with connect() as places:
        until = time.monotonic() + PATIENCE_SECONDS
        while not (report := audit(places)).ok and time.monotonic() < until:
            time.sleep(0.5)
        pipeline.watcher.stop(SHUTDOWN_SECONDS)
    if not report.ok:
        raise RuntimeError(f"not everything arrived once: {report}")


def _changes(places: Places) -> int:
    row = places.postgres.execute(COUNT_CHANGES).fetchone()
    return int(row[0]) if row else 0
