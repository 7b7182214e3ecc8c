"""The command compares what was asked for, says so, and goes on where a run was killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

import config
from demo.program import OwnProgram
from tests.awaiting import await_that
from tests.command import crucible
from tests.reconcile.conftest import World
from watcher.admin.doctor.postgres.reader import reader
from watcher.bootstrap.reconciling import Asked, Comparer, comparing, counted_tables
from watcher.postgres.counted_rows import READER
from watcher.postgres.own import history, reconcile_needed, table_pause
from watcher.reconcile.command.resumption import Resumption
from watcher.reconcile.repairs.stream import StreamStandsError

FAR = (1, 400_000, 800_000, 1_200_000)
"""Keys of entries, in different ranges: twenty of them."""


@contextmanager
def comparer(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Comparer, Any]]:
    """What the command runs, and the entries' table."""
    for name, value in world.environ.items():
        monkeypatch.setenv(name, value)
    settings = config.load()
    with comparing(settings, "crucible", print) as found:
        yield found, counted_tables(settings)["CrucibleEntry"]


def test_a_run_that_was_killed_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With what it had found; what was compared is not compared again. One with other options begins anew."""
    contest, file = world.crucible(), tmp_path / "state.json"
    for first in FAR:
        world.enter(contest, 10, first=first)
    world.count("id NOT IN (3, 1200003)")

    def killed(_table: str, done: int, _whole: int) -> None:
        if done > 4:
            raise KeyboardInterrupt

    def run(options: dict[str, str], heard: Any = lambda *_: None, *, fix: bool = False) -> Any:
        remembered = Resumption(file, options)
        with comparer(world, monkeypatch) as (found, table):
            report = found.everything(Asked((table,), fix=fix), heard, remembered)
        return remembered.goes_on, report.tables[0].kinds, report.tables[0].ranges

    with pytest.raises(KeyboardInterrupt):
        run({"a": "b"}, killed)
    kept = file.read_bytes()
    world.count("id = 3", lsn=90_000)  # what is behind is not looked at again

    assert run({"a": "b"}) == (True, {"missing": 2}, 2)
    assert not file.exists()
    file.write_bytes(kept)
    assert run({"a": "other"}) == (False, {"missing": 1}, 1)
    file.write_text("no file of ours")
    done = crucible("reconcile", "--resume", str(file), environ=world.environ)
    assert (done.returncode, file.read_text()) == (2, "no file of ours")
    assert "not of `crucible reconcile --resume`" in " ".join(done.stderr.split())


def lost_then(world: World, contest: int, other: int, change: str) -> list[tuple[int, int, int]]:
    """Lose a change of entry 2, make another one; return what is on its way: crucible, its value, that of user 3."""
    if change == "deleted":
        world.count("id <> 2")
        world.site.execute('DELETE FROM "CrucibleEntry" WHERE id = 2')
        return [(contest, -1, -1)]
    world.count()
    if change == "made anew":  # the deletion was lost
        return [(contest, 1, 1)]
    return [(other, -1, 0), (contest, 1, 0)]  # it was moved to the other crucible, which was lost, and is back


@pytest.mark.parametrize(
    ("change", "besides"), [("deleted", False), ("made anew", False), ("moved back", False), ("deleted", True)]
)
def test_a_row_that_looks_right_by_what_is_on_its_way_is_mended(
    world: World, monkeypatch: pytest.MonkeyPatch, change: str, besides: bool
) -> None:
    """What was lost of it and what is on its way cancel each other out, until that has come."""
    monkeypatch.setattr("watcher.reconcile.rows.second_looks.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("watcher.reconcile.repairs.repairer.ANNOUNCED_SECONDS", 0.0)
    contest, other = world.crucible(), world.crucible()
    world.enter(contest, 5)
    coming = lost_then(world, contest, other, change)
    if besides:
        world.enter(contest, 1, first=6)

    def stream_goes_on(_: int) -> None:
        for index, (crucible_id, entry, user) in enumerate(coming):
            events = [("Crucible", crucible_id, 3, "Entry", entry, 2, 60_000, index)]
            if user:
                events.append(("User", 3, 3, "crucibleEntryCount", user, 2, 60_000, 10 + index))
            world.events(events)
        coming.clear()

    with comparer(world, monkeypatch) as (found, table):
        monkeypatch.setattr(found._way, "await_passed", stream_goes_on)
        asked, heard = Asked((table,), fix=True), lambda *_: None
        found.begin(asked)
        reports = [found.everything(asked, heard, Resumption(None, {})).tables[0] for _ in range(2)]

    assert sum(reports[0].kinds.values()) == 1 + besides
    assert [one.left for one in reports] == [{}, {}]
    assert reports[1].kinds == {}
    marks = world.site.execute("SELECT source_table, highest FROM crucible_watcher.key_mark").fetchall()
    assert marks == [("CrucibleEntry", 6 if besides else 5)]


def test_without_a_second_look_it_counts_back_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control; and where the stream stands it is said that there was none, and needs of a comparison stay."""
    contest = world.crucible()
    world.enter(contest, 5)
    lost_then(world, contest, 0, "deleted")

    def stands(_: int) -> None:
        raise StreamStandsError("nobody reads")

    with comparer(world, monkeypatch) as (found, table):
        monkeypatch.setattr(found._way, "await_passed", stands)
        asked, heard = Asked((table,), fix=True), lambda *_: None
        reconcile_needed.note(found._session, "CrucibleEntry", "snapshot")
        report = found.everything(asked, heard, Resumption(None, {}))
        world.events([("Crucible", contest, 3, "Entry", -1, 2, 60_000, 0)])
        again = found.everything(Asked((table,)), heard, Resumption(None, {}))
        needs = world.site.execute("DELETE FROM crucible_watcher.reconcile_needed RETURNING reason").fetchall()

    assert (report.unawaited, report.finds_nothing, needs) == ("nobody reads", True, [("snapshot",)])
    assert again.tables[0].kinds == {"left_over": 1}


def test_before_any_watcher_has_started_rows_are_mended_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has accepted a history of PostgreSQL yet; what is decided is of the first one."""
    monkeypatch.setattr("watcher.reconcile.repairs.repairer.ANNOUNCED_SECONDS", 0.0)
    world.enter(world.crucible(), 1)
    world.site.execute("TRUNCATE crucible_watcher.history, crucible_watcher.repair")
    try:
        with comparer(world, monkeypatch) as (found, table):
            monkeypatch.setattr(found._way, "await_passed", lambda _: None)
            report = found.everything(Asked((table,), fix=True), lambda *_: None, Resumption(None, {})).tables[0]
    finally:
        with world.session() as session:
            history.check(session)

    assert (report.kinds, report.left) == ({"missing": 1}, {})
    assert world.site.execute("SELECT DISTINCT history FROM crucible_watcher.repair WHERE lsn > 0").fetchall() == [(1,)]


def test_chosen_rows_are_compared_alone(world: World) -> None:
    """Views and doubled changes are no rows; a wrong time or crucible is refused with what is expected."""
    contest, other = world.crucible(), world.crucible()
    world.enter(contest, 5)
    world.count("id <> 2")
    world.clickhouse.command("INSERT INTO entityMetricEvents SELECT * FROM entityMetricEvents WHERE sourceKey = 3")

    def run(*options: str) -> tuple[int, Any]:
        done = crucible("reconcile", "--table", "CrucibleEntry", "--json", *options, environ=world.environ)
        return done.returncode, json.loads(done.stdout) if done.returncode < 2 else done.stderr

    code, report = run("--crucible", str(contest))
    assert (code, report["tables"][0]["kinds"], report["twice"]) == (1, {"missing": 1, "repeated": 1}, [])
    assert run("--crucible", str(other))[0] == 0
    assert run("--since", "2100-01-01")[0] == 0
    assert run("--since", "2020-01-01T00:00:00Z")[1]["tables"][0]["kinds"] == {"missing": 1, "repeated": 1}
    code, said = run("--since", "yesterday")
    assert (code, "is not a time like 2026-01-31" in " ".join(said.split())) == (2, True)
    assert run("--crucible", "0")[0] == 2
    unknown = crucible("reconcile", "--table", "CrucibleEntry", "--crucible", "4000000000", environ=world.environ)
    assert (unknown.returncode, "PostgreSQL has no crucible 4000000000" in unknown.stderr) == (0, True)
    code, said = run("--log", "--fix")
    assert (code, "it only shows" in " ".join(said.split())) == (2, True)
    dsn = world.environ["CRUCIBLE_POSTGRES__DSN"]
    for replica, exits in ((dsn, 1), (make_conninfo(dsn, port=1), 75)):
        environ = {**world.environ, "CRUCIBLE_POSTGRES__READER_DSN": replica}
        assert crucible("reconcile", "--table", "CrucibleEntry", environ=environ).returncode == exits


INTERRUPTIBLE = """import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from watcher.cli import main
main()"""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_ctrl_c_and_a_neighbour_that_is_away_name_the_next_command(world: World, tmp_path: Path) -> None:
    """With the options that were given; with a file the run goes on there, without one it is said that it does not."""
    world.enter(world.crucible(), 5)
    file = tmp_path / "so far.json"
    options = ("--table", "CrucibleEntry", "--since", "2020-01-01")

    def interrupted(*more: str) -> tuple[int, str]:
        run = OwnProgram(f"run{more[0]}", ("-c", INTERRUPTIBLE, "reconcile", *options, *more), tmp_path, world.environ)
        with world.session() as holder, holder.together():
            holder.lock(READER)  # the command's first question waits for it
            run.start()
            await_that(
                lambda: world.site.execute(WAITING).fetchone() != (0,), "the command to wait", 60, run.last_words
            )
            run.send(signal.SIGINT)
            return run.wait(60), run.log.read_text()

    code, said = interrupted("--fix")
    anew = "`crucible reconcile --table CrucibleEntry --since 2020-01-01 --fix` begins anew"
    assert (code, anew in said) == (130, True), said
    assert "what was decided is carried out by the next run" in said
    code, said = interrupted("--resume", str(file))
    goes_on = f"`crucible reconcile --table CrucibleEntry --since 2020-01-01 --resume '{file}'` goes on where it was"
    assert (code, goes_on in said, file.exists()) == (130, True, True), said
    away = {**world.environ, "CRUCIBLE_CLICKHOUSE__PORT": "1"}
    done = crucible("reconcile", *options, "--resume", str(file), environ=away)
    assert (done.returncode, goes_on in done.stderr) == (75, True), done.stderr


def test_odd_words_are_refused_or_said_to_choose_nothing(world: World, tmp_path: Path) -> None:
    """Before a neighbour has to refuse them in its own words."""
    asked = ("reconcile", "--table", "CrucibleEntry")
    beyond = crucible(*asked, "--crucible", "9223372036854775808", environ=world.environ)
    assert (beyond.returncode, "9223372036854775807" in beyond.stderr) == (2, True)
    assert crucible(*asked, "--crucible", "9223372036854775807", environ=world.environ).returncode == 0
    to_come = crucible(*asked, "--since", "2100-01-01", environ=world.environ)
    assert (to_come.returncode, "still to come" in to_come.stderr) == (0, True)
    with world.session() as session:
        table_pause.pause(session, "crucible-watcher", "CrucibleEntry", "a test")
        waits = crucible(*asked, environ=world.environ)
        table_pause.resume(session, "crucible-watcher", "CrucibleEntry")
    assert (waits.returncode, "shows as a difference" in waits.stderr) == (0, True), waits.stderr
    read, written = os.pipe()
    os.close(read)
    try:
        with (tmp_path / "said").open("wb") as said:
            command = [sys.executable, "-m", "watcher", *asked, "--json"]
            subprocess.run(command, env=world.environ, stdout=written, stderr=said, check=False, timeout=120)
    finally:
        os.close(written)
    assert "Traceback" not in (tmp_path / "said").read_text()


def test_rows_that_are_left_out_are_told(world: World) -> None:
    world.clickhouse.command("ALTER TABLE entityMetricEvents MODIFY TTL createdAt + INTERVAL 30 DAY")
    contest = world.crucible()
    world.enter(contest, 5)
    world.site.execute('UPDATE "CrucibleEntry" SET "createdAt" = now() - interval \'40 days\' WHERE id <= 2')
    world.count("id > 2")
    done = crucible("reconcile", "--table", "CrucibleEntry", environ=world.environ)

    assert (done.returncode, "2 rows made before" in done.stderr) == (0, True), done.stderr


def test_the_doctor_looks_at_the_replica(world: World) -> None:
    """A server that is none is told; one that is behind says for how long."""

    class Replica:
        """Answers as one that has something to replay."""

        def __init__(self, seconds: float | None) -> None:
            self._seconds = seconds

        def read(self, _query: str) -> list[tuple[str, bool, float | None]]:
            return [("18.4", True, self._seconds)]

    with world.session() as session:
        (finding,) = reader(session)
    assert (finding.level.name, "no replica" in finding.found) == ("WARN", True)
    assert [next(reader(Replica(seconds))).level.name for seconds in (None, 59.0, 61.0)] == ["OK", "OK", "WARN"]  # type: ignore[arg-type]
