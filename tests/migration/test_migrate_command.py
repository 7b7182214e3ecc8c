"""``crucible migrate`` as a person runs it: against PostgreSQL and ClickHouse, alone or not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from stack import Stack
from tests.stack.watching import provided
from watcher.migrations.lock import alone

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The two that the command needs."""
    with provided():
        stack = Stack(tmp_path_factory.mktemp("command"), parts=("postgres", "clickhouse"))
        stack.start()
    yield stack
    stack.close()


def start(parts: Stack, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start the command."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CRUCIBLE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "watcher", "migrate", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, **parts.environ(), "NO_COLOR": "1", **environ},
    )


def run(parts: Stack, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """Run the command to its end: code, output, errors."""
    process = start(parts, *arguments, **environ)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_the_command_says_what_it_would_do_does_it_once_and_shows_it(parts: Stack) -> None:
    """Dry run, up, up again and status agree with each other."""
    before = run(parts, "status")
    dry = run(parts, "up", "--dry-run")
    after_dry = run(parts, "status")
    first = run(parts, "up", "--json")
    second = run(parts, "up")
    after = run(parts, "status", "--json")

    assert (before[0], after_dry[0], before[1]) == (1, 1, after_dry[1])
    assert re.findall(r"^-- (\w+ 0001_\w+)$", dry[1], re.MULTILINE) == [
        "postgres 0001_own_tables",
        "clickhouse 0001_metric_events",
    ]
    assert "CREATE MATERIALIZED VIEW metric_totals_v1_mv" in dry[1]
    assert 'CREATE TABLE IF NOT EXISTS "crucible_watcher".marker' in dry[1]
    assert list(dict.fromkeys(line.split()[0] for line in first[2].splitlines()))[:2] == ["postgres", "clickhouse"]
    assert len(json.loads(first[1])) == len(json.loads(after[1])) > 5
    assert (second[0], second[2]) == (0, "nothing to do: every migration is applied\n")
    assert (after[0], {one["state"] for one in json.loads(after[1])}) == (0, {"applied"})
    assert {one["store"] for one in json.loads(after[1])} == {"postgres", "clickhouse"}


def test_a_run_waits_for_another_and_not_for_a_dead_one(parts: Stack) -> None:
    """While another holds the lock the command says so and waits; when that one's connection ends, it goes on."""
    environ = parts.environ()
    dsn = environ["CRUCIBLE_POSTGRES__DSN"]
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_advisory_lock(hashtextextended(%s, 0))",
            [f"crucible migrate {environ['CRUCIBLE_CLICKHOUSE__DATABASE']}"],
        )
        waiting = start(parts, "up")
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        running = waiting.poll() is None
    _, err = waiting.communicate(timeout=60)

    assert (said, running) == ("waiting for another `crucible migrate up` to end\n", True)
    assert (waiting.returncode, err) == (0, "nothing to do: every migration is applied\n")


def test_the_lock_is_of_one_database(parts: Stack) -> None:
    """Runs over different databases do not wait for each other."""
    told: list[str] = []
    dsn = parts.environ()["CRUCIBLE_POSTGRES__DSN"]
    with alone(dsn, "watcher", "one", 5.0, told.append), alone(dsn, "watcher", "other", 5.0, told.append):
        pass

    assert told == []


def test_a_server_that_ends_idle_transactions_leaves_the_lock(parts: Stack) -> None:
    """Where another transaction that idles has long been ended, the lock is still held, and nobody else gets it."""
    dsn = make_conninfo(
        parts.environ()["CRUCIBLE_POSTGRES__DSN"], options="-c idle_in_transaction_session_timeout=200ms"
    )
    with alone(dsn, "watcher", "idle", 5.0, list[str]().append) as held, psycopg.connect(dsn) as other:
        other.execute("SELECT 1")
        with psycopg.connect(dsn, autocommit=True) as looking:
            while looking.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [other.info.backend_pid]).fetchall():
                time.sleep(0.05)
            held()
            free = "SELECT pg_try_advisory_xact_lock(hashtextextended('crucible migrate idle', 0))"
            assert looking.execute(free).fetchall() == [(False,)]
        other.close()
        held()


@pytest.mark.parametrize(
    ("environ", "code", "message"),
    [
        ({"CRUCIBLE_CLICKHOUSE__PASSWORD": "guessed"}, 1, "Authentication failed"),
        ({"CRUCIBLE_CLICKHOUSE__DATABASE": "absent"}, 1, "Database absent does not exist"),
        ({"CRUCIBLE_CLICKHOUSE__PORT": "1"}, 75, "does not answer: Connection refused"),
    ],
)
def test_faults_are_one_message(parts: Stack, environ: dict[str, str], code: int, message: str) -> None:
    """What is wrong is said once, without a traceback and without the password."""
    done = run(parts, "status", **environ)

    assert done[0] == code
    assert message in done[2]
    assert "Traceback" not in done[2]
    assert "guessed" not in done[2]
