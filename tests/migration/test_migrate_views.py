"""New views over tables that have rows and writers: every row counts once, whatever happens meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.clickhouse_process import running_door
from tests.migration import site
from tests.migration.conftest import TO_THE_FIRST_VIEW
from tests.migration.truth import shown, true
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse import views as migrate_views
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.lock import LockLostError, alone
from watcher.model.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from stack import Stack
    from tests.clickhouse_process import DoorProcess

SINGLE = Deployment()
EACH_PLACE = pytest.mark.soak("takes each place; some are in every run")


class DiedError(BaseException):
    """The process is gone, here."""


class MortalClient:
    """A client whose process dies at its n-th statement: before it is sent, or before its answer is known."""

    def __init__(self, client: Client, at: int, *, sent: bool) -> None:
        self._client = client
        self._left = at
        self._sent = sent
        self.database = client.database

    def command(self, *given: Any, **named: Any) -> Any:
        """A statement that changes something."""
        return self._counted(self._client.command, *given, **named)

    def query(self, *given: Any, **named: Any) -> Any:
        """A question."""
        return self._counted(self._client.query, *given, **named)

    def _counted(self, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._sent:
            raise DiedError
        answer = call(*given, **named)
        if self._left == 0:
            raise DiedError
        return answer


@pytest.fixture
def old_site(client: Client) -> Client:
    """A site with tables and rows."""
    site.make_tables(client)
    site.add_rows(client)
    return client


@pytest.fixture
def small_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets of a hundred rows, so that each view's fill is in several."""
    monkeypatch.setattr(migrate_views, "ROWS_PER_BUCKET", 100)


def settled(client: Client) -> Client:
    """The client, when what waits in the Buffer table is in the table behind it."""
    client.command("OPTIMIZE TABLE crucible_entry_rating_buffer")
    return client


@pytest.mark.usefixtures("small_buckets")
def test_rows_of_before_and_of_meanwhile_count_once(old_site: Client) -> None:
    """While a writer keeps inserting, also through the Buffer table, all views end up with what the tables hold."""
    told: list[str] = []
    with site.writing(old_site):
        migrate.up(old_site, SINGLE, margin=0.3, progress=told.append)

    assert shown(settled(old_site)) == true(old_site)
    assert any("bucket 5 of" in line for line in told)


@pytest.mark.usefixtures("first_view")
def test_rows_of_before_are_lost_without_the_fill(old_site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a view alone does not show what was there before it."""
    monkeypatch.setattr(migrate_views, "_fill", lambda *_: None)
    migrate.up(old_site, SINGLE, margin=0.3)

    assert shown(old_site, "metric_totals") != true(old_site, "metric_totals")


@pytest.mark.usefixtures("first_view")
def test_rows_of_meanwhile_count_twice_without_the_boundary(old_site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a fill that takes every row takes those again that the view has."""
    fill_bucket = migrate_views._fill_bucket

    def greedy(session: Server, view: Any, fill: Any, bucket: int) -> int:
        site.insert_as_the_site_does(old_site)
        return fill_bucket(session, view, migrate_views.Fill(2**42, fill.buckets), bucket)

    monkeypatch.setattr(migrate_views, "_fill_bucket", greedy)
    migrate.up(old_site, SINGLE, margin=0.3)

    assert shown(old_site, "metric_totals") != true(old_site, "metric_totals")


def insert_slowly(client: Client, seconds: float, started: threading.Event) -> None:
    """One INSERT that runs for some time and ends with a block that is stamped late."""
    started.set()
    client.command(
        "INSERT INTO entityMetricEvents (entityType, entityId, userId, metricType, metricValue, createdAt) "
        "SELECT 'Crucible', 77, number, 'Vote', 1, now64(3) FROM numbers({rows:UInt32}) WHERE sleepEachRow(0.1) = 0 "
        "SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1, max_threads = 1",
        parameters={"rows": int(seconds * 10)},
    )


def run_with_a_slow_insert(client: Client, monkeypatch: pytest.MonkeyPatch, seconds: float = 2.0) -> list[str]:
    """Migrate to the first view while an INSERT runs that began before it and ends after its boundary."""
    known = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: known[: TO_THE_FIRST_VIEW - 1])
    migrate.up(client, SINGLE)
    monkeypatch.setattr(migrate, "migrations", lambda: known[:TO_THE_FIRST_VIEW])
    started = threading.Event()
    told: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(insert_slowly, client, seconds, started)
        started.wait()
        while not client.command("SELECT count() FROM entityMetricEvents WHERE entityId = 77"):
            pass
        migrate.up(client, SINGLE, margin=0.2, progress=told.append)
        slow.result()
    return told


def test_an_insert_that_runs_across_the_boundary_counts_once(old_site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An INSERT that began before the view is waited for, and the boundary is moved behind it."""
    told = run_with_a_slow_insert(old_site, monkeypatch)

    assert any("starting again with a later one" in line for line in told)
    assert shown(old_site, "metric_totals") == true(old_site, "metric_totals")


def test_an_insert_that_runs_across_the_boundary_is_lost_without_waiting(
    old_site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without the wait its later rows are in neither the view nor the fill."""
    monkeypatch.setattr(Server, "wait_for_inserts_before", lambda *_: None)
    run_with_a_slow_insert(old_site, monkeypatch, 5.0)  # well beyond the boundary, on a busy machine too

    assert shown(old_site, "metric_totals") != true(old_site, "metric_totals")


@pytest.mark.usefixtures("small_buckets", "first_view")
@pytest.mark.parametrize(
    ("sent", "at", "step"),
    [
        (False, 1, 16),
        (True, 9, 16),
        pytest.param(False, 1, 1, marks=EACH_PLACE),
        pytest.param(True, 1, 1, marks=EACH_PLACE),
    ],
)
def test_a_kill_at_any_statement_is_survived(
    new_database: Callable[[], Client], sent: bool, at: int, step: int
) -> None:
    """Killed at its n-th statement, for n over the whole run, and run again: every row counts once."""
    while True:
        client = new_database()
        site.make_tables(client)
        site.add_rows(client, 250)
        try:
            migrate.up(MortalClient(client, at, sent=sent), SINGLE, margin=0.05)  # type: ignore[arg-type]
            break
        except DiedError:
            site.insert_as_the_site_does(client)
        migrate.up(client, SINGLE, margin=0.05)

        assert shown(settled(client), "metric_totals") == true(client, "metric_totals"), f"killed at statement {at}"
        assert client.command("SELECT count() FROM crucible_entry_rating") == 252, f"killed at statement {at}"
        at += step
    assert at > 60


@pytest.fixture
def dsn(postgres: Stack) -> str:
    """Connection string of the PostgreSQL that holds the lock."""
    return str(postgres.endpoints.postgres_dsn)


@pytest.mark.usefixtures("small_buckets")
def test_two_processes_at_once_are_one(old_site: Client, shared_door: DoorProcess, dsn: str) -> None:
    """Two runs at the same moment, under a writer, fill nothing twice: one waits, and finds nothing to do."""
    second = shared_door.client(database=old_site.database)
    told: list[str] = []

    def up(client: Client) -> int:
        with alone(dsn, "watcher", client.database or "", 5.0, told.append) as held:
            return len(migrate.up(client, SINGLE, margin=0.5, held=held))

    with site.writing(old_site), ThreadPoolExecutor(2) as pool:
        applied = sorted(pool.map(up, (old_site, second)))
    second.close()

    assert applied == [0, len(migrate.migrations())]
    assert told == ["waiting for another `crucible migrate up` to end"]

    assert shown(settled(old_site)) == true(old_site)


class Overtaken:
    """A run that stands still before its n-th change, loses the lock, and wakes when another has done everything."""

    def __init__(self, old: Client, other: Client, dsn: str) -> None:
        self._old, self._other, self._dsn = old, other, dsn
        site.make_tables(old)
        site.add_rows(old, 250)

    def run(self, at: int, *, asked: bool = True) -> None:
        """Let it run."""
        changes, database = 0, self._old.database or ""
        with alone(self._dsn, "watcher", database, 5.0, list[str]().append) as really:

            def held() -> None:
                nonlocal changes
                changes += 1
                if changes == at:
                    self._overtake(database)
                if asked:
                    really()

            migrate.up(self._old, SINGLE, margin=0.05, held=held)

    def _overtake(self, database: str) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as administrator:
            administrator.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'")
        site.insert_as_the_site_does(self._old)
        with alone(self._dsn, "watcher", database, 5.0, list[str]().append) as held:
            migrate.up(self._other, SINGLE, margin=0.05, held=held)

    def is_right(self) -> bool:
        """The view shows what its table holds, also of what comes in now."""
        site.insert_as_the_site_does(self._old)
        return shown(settled(self._old), "metric_totals") == true(self._old, "metric_totals")


@pytest.fixture
def overtaken(
    new_database: Callable[[], Client], shared_door: DoorProcess, dsn: str, first_view: None
) -> Iterator[Callable[[], Overtaken]]:
    """Makes one, over a database of its own and migrations up to the first view."""
    with ExitStack() as stack:

        def make() -> Overtaken:
            old = new_database()
            other = shared_door.client(database=old.database)
            stack.callback(other.close)
            return Overtaken(old, other, dsn)

        yield make


@pytest.mark.usefixtures("small_buckets")
@pytest.mark.parametrize("step", [6, pytest.param(1, marks=EACH_PLACE)])
def test_a_run_that_lost_its_lock_changes_nothing_more(overtaken: Callable[[], Overtaken], step: int) -> None:
    """Overtaken before its n-th change, for n over the whole run, it stops, and every row counts once."""
    for at in range(3, 34, step):
        site_of_two = overtaken()
        with pytest.raises(LockLostError, match="run `crucible migrate up` again"):
            site_of_two.run(at)
        assert site_of_two.is_right(), f"overtaken before change {at}"


@pytest.mark.usefixtures("small_buckets")
def test_a_run_that_does_not_ask_spoils_what_another_has_done(overtaken: Callable[[], Overtaken]) -> None:
    """The control: overtaken where it makes the view's table, and not asking, it empties what the other has filled."""

    def spoils(at: int) -> bool:
        site_of_two = overtaken()
        with suppress(DatabaseError, TemporaryError):  # it fails somewhere, and be it when it gives the lock back
            site_of_two.run(at, asked=False)
        return not site_of_two.is_right()

    assert any(spoils(at) for at in range(22, 32))


@pytest.mark.usefixtures("first_view")
def test_what_a_dead_run_has_under_way_is_waited_for(old_site: Client, shared_door: DoorProcess) -> None:
    """A statement goes on in the server when its run was killed; the next run begins when it has ended."""
    other = shared_door.client(database=old_site.database)
    told: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        dead = pool.submit(
            Server(other, SINGLE, told.append).change,
            "INSERT INTO entityMetricEvents SELECT 'Crucible', 77, 1, 'Vote', 1, now64(3) FROM numbers(20) "
            "WHERE sleepEachRow(0.1) = 0",
            {"max_block_size": 1},
        )
        while not old_site.command("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO entity%, 77,%'"):
            assert not dead.done()
        migrate.up(old_site, SINGLE, margin=0.1, progress=lambda line: told.append(f"{dead.done()} {line}"))
    other.close()

    assert told[0].startswith("False waiting for the last statement of an earlier run: see system.processes")
    assert told[1].startswith("True clickhouse 0001")


@pytest.mark.usefixtures("small_buckets")
def test_a_bucket_that_is_wrong_is_filled_again(old_site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket with rows that it should not have is emptied and filled, not added to."""
    fingerprint = migrate_views._fingerprint
    spoilt = set()

    def spoil(session: Server, view: Any, source: str) -> tuple[int, int]:
        if source.endswith("bucket = 2") and view.target not in spoilt:
            spoilt.add(view.target)
            session.client.insert(view.target, [[2]], column_names=["bucket"])
        return fingerprint(session, view, source)

    monkeypatch.setattr(migrate_views, "_fingerprint", spoil)
    migrate.up(old_site, SINGLE, margin=0.3)

    assert "metric_totals_v1" in spoilt
    assert shown(old_site) == true(old_site)


def test_numbered_votes_leave_the_last_rating(old_site: Client) -> None:
    """Ratings follow the order of votes, not of arrival; votes without a number change none."""
    client = old_site
    migrate.up(client, SINGLE, margin=0.3)
    client.command(
        "INSERT INTO crucible_entry_rating "
        "(crucible_id, winner_entry_id, loser_entry_id, user_id, vote_epoch, vote_seq, winner_elo, loser_elo) VALUES "
        "(9, 1, 2, 1, 0, 2, 1531, 1469), (9, 1, 2, 2, 0, 1, 1516, 1484), (9, 2, 1, 3, 1, 1, 1485, 1515), "
        "(9, 1, 2, 4, 0, 0, 7, 7)"
    )

    assert client.query("SELECT entry_id, rating, vote_epoch FROM entry_rating ORDER BY entry_id").result_rows == [
        (1, 1515, 1),
        (2, 1485, 1),
    ]


OTHER_PLACES = pytest.mark.soak("a server more is killed")


@pytest.mark.usefixtures("small_buckets", "first_view")
@pytest.mark.parametrize("at", [pytest.param(30, marks=OTHER_PLACES), 60, pytest.param(75, marks=OTHER_PLACES)])
def test_a_kill_of_the_server_is_survived(tmp_path: Path, at: int) -> None:
    """ClickHouse killed at a statement of the run, started and migrated again: every row counts once."""
    with running_door(tmp_path) as door:
        client = door.client(database="default")
        site.make_tables(client)
        site.add_rows(client)
        with pytest.raises(DiedError):
            migrate.up(MortalClient(client, at, sent=True), SINGLE, margin=0.2)  # type: ignore[arg-type]
        door.kill()
        door.start()
        again = door.client(database="default")
        migrate.up(again, SINGLE, margin=0.2)

        assert shown(again, "metric_totals") == true(again, "metric_totals")
        again.close()
        client.close()
