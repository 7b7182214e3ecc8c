"""Logs are read by machines at night and by people in the morning; neither may find a password there."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import CollectorRegistry

from watcher.telemetry.logs import SAID_BESIDES, set_up_logs
from watcher.telemetry.metrics import Metrics
from watcher.telemetry.redaction import describe, redact
from watcher.votes.report import VoteReport


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging is the process's; what a test sets up is taken back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.unraisablehook, threading.excepthook, sys.excepthook
    levels = {library: logging.getLogger(library).level for library in SAID_BESIDES}
    yield
    sys.unraisablehook, threading.excepthook, sys.excepthook = hooks
    for library, kept in levels.items():
        logging.getLogger(library).setLevel(kept)
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored")
def test_elsewhere_than_on_a_terminal_a_line_is_an_object():
    """Every line parses, carries the time in UTC and the level, and lines of libraries look the same."""
    stream = io.StringIO()
    set_up_logs(stream=stream)

    structlog.get_logger("watcher.changes").info("batch.flushed", rows=512, sink="clickhouse")
    logging.getLogger("asyncio").warning("retrying %s", "soon")

    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert (ours["event"], ours["rows"], ours["level"]) == ("batch.flushed", 512, "info")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("retrying soon", "warning")


@pytest.mark.usefixtures("restored")
def test_what_a_neighbours_client_repeats_is_left_out():
    """Who is away is said by us, once; what libraries find wrong in themselves is not left out."""
    stream = io.StringIO()
    set_up_logs(stream=stream)

    logging.getLogger("urllib3.connectionpool").warning("Retrying (Retry(total=0)) after connection broken")
    logging.getLogger("psycopg").warning("error ignored terminating connection")
    logging.getLogger("urllib3").error("a fault of its own")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["a fault of its own"]


UNTIDY = """
import gc, threading, warnings
from watcher.telemetry.logs import set_up_logs

class Spiteful:
    def __del__(self):
        raise OSError("nobody catches this; password=hunter2")

def fail():
    raise RuntimeError("nobody waits for this")

set_up_logs()
warnings.warn("old ways", DeprecationWarning)
warnings.warn("odd ways")
del_me = Spiteful()
del del_me
gc.collect()
thread = threading.Thread(target=fail, name="nobodys")
thread.start()
thread.join()
raise ValueError("nobody foresaw this")
"""


def test_what_python_says_by_itself_is_an_object_too():
    """Warnings, and errors that nobody can catch: one parser reads all lines."""
    done = subprocess.run([sys.executable, "-c", UNTIDY], capture_output=True, text=True, check=False, timeout=30)

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [one["event"].partition(":")[0] for one in lines if one["event"].startswith(("exc", "thr", "pro"))] == [
        "exception.ignored",
        "thread.ended",
        "process.failed",
    ]
    assert any("odd ways" in one["event"] for one in lines)
    assert "hunter2" not in done.stderr


@pytest.mark.usefixtures("restored")
def test_a_terminal_gets_columns():
    """A person reads words, not braces."""
    stream = Terminal()
    set_up_logs(stream=stream)

    structlog.get_logger("watcher").info("batch.flushed", rows=512)

    assert "batch.flushed" in stream.getvalue()
    assert "{" not in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_a_level_below_the_lowest_is_not_written():
    """Debug lines appear when asked for, and only then."""
    quiet, chatty = io.StringIO(), io.StringIO()
    for level, stream in (("info", quiet), ("debug", chatty)):
        set_up_logs(level, stream=stream)  # type: ignore[arg-type]
        structlog.get_logger("watcher").debug("poll.ended")

    assert (quiet.getvalue(), "poll.ended" in chatty.getvalue()) == ("", True)


@pytest.mark.usefixtures("restored")
def test_a_secret_is_cut_out_whoever_wrote_it():
    """Drivers put connection strings into their errors, and those end up in tracebacks."""
    stream = io.StringIO()
    set_up_logs(stream=stream)
    log = structlog.get_logger("watcher")

    log.error("redis.failed", error=OSError("redis://app:hunter2@cache:6379"), note="password=hunter2")
    try:
        raise ValueError("postgresql://site:hunter2@db/site is away")
    except ValueError:
        log.exception("postgres.failed")
    logging.getLogger("redis").warning("connecting to redis://:hunter2@cache")

    assert stream.getvalue().count("***") >= 4
    assert "hunter2" not in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_a_fault_that_lasts_is_told_now_and_then():
    """The first line at once, the next after ten seconds with a count; another partition or neighbour has its own."""
    stream, now = io.StringIO(), [0.0]
    set_up_logs(stream=stream, clock=lambda: now[0])
    log = structlog.get_logger("watcher")

    for second in range(12):
        now[0] = float(second)
        log.warning("sink.failed", sink="redis", partition=0)
    log.warning("sink.failed", sink="redis", partition=1)
    for neighbour in ("postgres", "admission", "postgres"):
        log.warning("neighbour.away", neighbour=neighbour)
    for _ in range(3):
        log.info("batch.flushed")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    faults = [(line["partition"], line.get("repeated")) for line in lines if line["event"] == "sink.failed"]
    assert faults == [(0, None), (0, 9), (1, None)]
    assert [line["neighbour"] for line in lines if line["event"] == "neighbour.away"] == ["postgres", "admission"]
    assert sum(line["event"] == "batch.flushed" for line in lines) == 3


@pytest.mark.usefixtures("restored")
def test_of_several_crucibles_each_is_named():
    """An alert sends people to these lines; a crucible that was held back as a repeat of another would be missed."""
    stream = io.StringIO()
    set_up_logs(stream=stream, clock=lambda: 0.0)
    report = VoteReport(Metrics(CollectorRegistry()).votes)

    for _ in range(2):
        report.unbalanced({42: 1, 43: -2})
        report.parked(3, "no")
        report.parked(4, "no")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("crucible", line.get("bucket")) for line in lines] == [42, 43, 3, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p%40ss@h:5432/d?x=1", "postgresql://u:***@h:5432/d?x=1"),
        ("redis://:p@h", "redis://:***@h"),
        ("http://h:8083/path", "http://h:8083/path"),
        ("sasl.password=abc,group.id=g", "sasl.password=***,group.id=g"),
        ('{"database.password": "a b"}', '{"database.password": ***}'),
        ("user=a password='two words' dbname=d", "user=a password=*** dbname=d"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_redaction(text: str, expected: str):
    """Passwords go, everything that helps to find the fault stays."""
    assert redact(text) == expected


def test_an_error_is_one_line():
    """Only the first line of a driver's essay is shown."""
    assert describe(OSError("refused\nIs the server running?")) == "OSError: refused"
    assert describe(TimeoutError()) == "TimeoutError"
