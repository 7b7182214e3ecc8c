"""A long run says how far it is now and then, and how long it may still take."""

from datetime import UTC, datetime

import msgspec

from watcher.cli import backfill, reconcile
from watcher.cli.progress import SAID_EVERY_SECONDS, ProgressLine
from watcher.postgres.own.backfill_run import BackfillRun


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Run:
    """A long run that says how far it is."""

    def __init__(self) -> None:
        self.clock, self.said = Clock(), list[str]()
        self.line = ProgressLine(self.said.append, self.clock)


def test_the_time_left_is_by_the_speed_of_this_run() -> None:
    """20 of 100 were done by an earlier run; 10 in 10 s since, so the other 70 take 70 s. Not 23, as by all 30."""
    run = Run()
    run.line.heard("a", 20, 100, "a: 20")
    run.clock.now += 10.0
    run.line.heard("a", 30, 100, "a: 30")

    assert run.said == ["a: 30, about 70 s to go"]


def test_a_line_comes_every_few_seconds_and_no_more_often() -> None:
    """Ten a second are heard for twelve seconds, of which the first two lines are due."""
    run = Run()
    for number in range(121):
        run.line.heard("a", number, 240, f"{number}")
        run.clock.now += 0.1

    assert run.said == ["50, about 19 s to go", "100, about 14 s to go"], SAID_EVERY_SECONDS


def test_each_thing_has_a_speed_of_its_own_and_what_has_none_tells_none() -> None:
    """The second one begins when the first is over; of one without an end nothing is told but how far it is."""
    run = Run()
    run.line.heard("a", 0, 2, "a")
    run.clock.now += 100.0
    run.line.heard("a", 2, 2, "a")
    run.clock.now += 5.0
    run.line.heard("b", 1, 3, "b")
    run.clock.now += 5.0
    run.line.heard("b", 2, 3, "b")
    run.clock.now += 5.0
    run.line.heard("c", 7, None, "c")
    run.clock.now += 5.0
    run.line.heard("c", 7, None, "c")

    assert run.said == ["a, about 0 s to go", "b", "b, about 5 s to go", "c", "c"]


def test_keys_below_zero_are_a_way_as_well() -> None:
    """From key -300 to 100, of which 100 keys took 6 s: 300 are left."""
    run = Run()
    run.line.heard("keys", -300, 100, "-300")
    run.clock.now += 6.0
    run.line.heard("keys", -200, 100, "-200")

    assert run.said == ["-200, about 18 s to go"]


def test_what_the_commands_say() -> None:
    """Ranges of a table, crucibles, and keys of a backfill, which has no whole while it compares Redis."""
    run = Run()
    heard = reconcile.heard_by(run.line)
    for table, done in ("CrucibleEntry", 0), ("CrucibleEntry", 1), ("redis", 0), ("redis", 1):
        heard(table, done, 3)
        run.clock.now += SAID_EVERY_SECONDS
    run.line = ProgressLine(run.said.append, run.clock)
    counting = BackfillRun(1, "rows", 500, None, 0, {}, 0, 0, datetime(2026, 1, 1, tzinfo=UTC), "running")
    brought = backfill.heard_by(run.line, "CrucibleEntry")
    for key in 100, 200:
        brought(msgspec.structs.replace(counting, done_key=key, looked_at=key // 10), "rows")
        run.clock.now += SAID_EVERY_SECONDS
    brought(msgspec.structs.replace(counting, done_key=500, done_crucible=42), "crucibles")

    assert run.said == [
        "CrucibleEntry: 1 of 3 ranges compared, about 10 s to go",
        "redis: 0 of 3 crucibles compared",
        "redis: 1 of 3 crucibles compared, about 10 s to go",
        "CrucibleEntry: 20 rows, up to key 200 of 500, about 15 s to go",
        "CrucibleEntry: compared in Redis up to crucible 42",
    ]
