"""``crucible migrate`` as a person runs it: against PostgreSQL and ClickHouse, alone or not."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests import command
from tests.acceptance.daemon import REPOSITORY
from tests.awaiting import await_that
from tests.clickhouse_process import PASSWORD
from tests.forked import Forked
from watcher.migrations.lock import alone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stack import Stack
    from tests.clickhouse_process import DoorProcess

DATABASE = "of_the_command"
Environ = dict[str, str]


@pytest.fixture(scope="module")
def parts(postgres: Stack, shared_door: DoorProcess) -> Iterator[Environ]:
    """The variables that point the command at PostgreSQL and at an empty database of ClickHouse."""
    with shared_door.client() as admin:
        admin.command(f"CREATE DATABASE {DATABASE}")
        yield {
            **{key: value for key, value in os.environ.items() if not key.startswith("CRUCIBLE_")},
            **postgres.environ(),
            "CRUCIBLE_CLICKHOUSE__HOST": "127.0.0.1",
            "CRUCIBLE_CLICKHOUSE__PORT": str(shared_door.port),
            "CRUCIBLE_CLICKHOUSE__USERNAME": "default",
            "CRUCIBLE_CLICKHOUSE__PASSWORD": PASSWORD,
            "CRUCIBLE_CLICKHOUSE__DATABASE": DATABASE,
            "NO_COLOR": "1",
        }
        admin.command(f"DROP DATABASE {DATABASE} SYNC")


def run(parts: Environ, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """Run the command to its end: code, output, errors."""
    done = command.crucible("migrate", *arguments, environ={**parts, **environ})
    return done.returncode, done.stdout, done.stderr


def test_the_command_says_what_it_would_do_does_it_once_and_shows_it(parts: Environ) -> None:
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


def test_a_run_waits_for_another_and_not_for_a_dead_one(parts: Environ, tmp_path: Path) -> None:
    """While another holds the lock the command says so and waits; when that one's connection ends, it goes on."""
    errors = tmp_path / "errors"
    with psycopg.connect(parts["CRUCIBLE_POSTGRES__DSN"], autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"crucible migrate {DATABASE}"])
        waiting = Forked(("watcher", "migrate", "up"), tmp_path / "out", parts, REPOSITORY, errors)
        await_that(lambda: "\n" in errors.read_text() or not waiting.is_alive(), "the command says something")
        said, running = errors.read_text(), waiting.is_alive()
    code = waiting.wait(60.0)

    assert (said, running) == ("waiting for another `crucible migrate up` to end\n", True)
    assert (code, errors.read_text()) == (0, f"{said}nothing to do: every migration is applied\n")


def test_the_lock_is_of_one_database(parts: Environ) -> None:
    """Runs over different databases do not wait for each other."""
    told: list[str] = []
    dsn = parts["CRUCIBLE_POSTGRES__DSN"]
    with alone(dsn, "watcher", "one", 5.0, told.append), alone(dsn, "watcher", "other", 5.0, told.append):
        pass

    assert told == []


def test_a_server_that_ends_idle_transactions_leaves_the_lock(parts: Environ) -> None:
    """Where another transaction that idles has long been ended, the lock is still held, and nobody else gets it."""
    dsn = make_conninfo(parts["CRUCIBLE_POSTGRES__DSN"], options="-c idle_in_transaction_session_timeout=200ms")
    with alone(dsn, "watcher", "idle", 5.0, list[str]().append) as held, psycopg.connect(dsn) as other:
        other.execute("SELECT 1")
        with psycopg.connect(dsn, autocommit=True) as looking:
            is_there = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
            await_that(
                lambda: not looking.execute(is_there, [other.info.backend_pid]).fetchall(), "the idle one to be ended"
            )
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
def test_faults_are_one_message(parts: Environ, environ: dict[str, str], code: int, message: str) -> None:
    """What is wrong is said once, without a traceback and without the password."""
    done = run(parts, "status", **environ)

    assert done[0] == code
    assert message in done[2]
    assert "Traceback" not in done[2]
    assert "guessed" not in done[2]


def test_what_was_dropped_is_not_made_anew_under_watchers(parts: Environ) -> None:
    """Whether any runs is Kafka's to say: one at a batch would count it twice in a view. Else it has to be insisted."""
    run(parts, "up")
    with psycopg.connect(parts["CRUCIBLE_POSTGRES__DSN"], autocommit=True) as site:
        site.execute("DROP TABLE crucible_watcher.repair")
    away = {"CRUCIBLE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    refused = run(parts, "up", "--missing", **away)
    forced = run(parts, "up", "--missing", "--force", **away)
    again = run(parts, "up", "--missing", **away)

    assert (refused[0], "Nothing was made anew" in refused[2], "--force" in refused[2]) == (1, True, True)
    assert (forced[0], "made anew: crucible_watcher.repair" in forced[2]) == (0, True)
    assert (again[0], again[2]) == (0, "nothing to do: every migration is applied\n"), "nobody is asked for nothing"
