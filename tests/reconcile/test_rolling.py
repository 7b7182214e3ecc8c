"""Watchers compare by turns: a part each, one at a time, on where it was, and whatever their neighbours do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry
from psycopg import sql

from handlers import REGISTRY
from tests import site_database
from tests.command import crucible
from tests.reconcile.conftest import World
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.repair_rows import REPAIRS
from watcher.model.errors import TemporaryError, WatcherError
from watcher.postgres.own import drift, history, reconcile_needed, reconcile_turn, repair
from watcher.postgres.session import Session
from watcher.reconcile.daemon.drift_report import DriftReport
from watcher.reconcile.daemon.rolling import RollingComparison
from watcher.reconcile.difference_reports import DifferenceReport
from watcher.reconcile.others import PLACES
from watcher.reconcile.repairs import repairer
from watcher.reconcile.repairs.stream import StreamStandsError
from watcher.reconcile.stores import Stores
from watcher.telemetry.metrics import Metrics

TABLES = [REGISTRY.tables[name].counted for name in ("CrucibleEntry", "Crucible")]
HOUR_SECONDS = 3_600.0


class Process:
    """A watcher's task, and what it says."""

    def __init__(
        self,
        world: World,
        owner: str,
        *,
        interval: float = HOUR_SECONDS,
        await_passed: Callable[[int], None] = lambda _: None,
        auto_fix: bool = False,
        others: Sequence["Part"] = (),
    ) -> None:
        self.others = others
        self.metrics = Metrics(CollectorRegistry())
        self.asked: list[str] = []
        self.looked = list[float]()
        self._world, self._await_passed = world, await_passed
        self.task = RollingComparison(
            TABLES,
            world.session,
            self._stores,
            DriftReport(self.metrics.reconcile, (table.name for table in TABLES), PLACES),
            owner=owner,
            interval=interval,
            auto_fix=auto_fix,
            turn_ranges=3,
            first_wait=0.0,
        )

    @contextmanager
    def _stores(self, session: Session, pause: Callable[[float], None]) -> Iterator[Stores]:
        reads = _Reads(self._world.client, queries(), self.asked)
        insert = PlannedInsert(REPAIRS, ClickHouseLink(self._world.client), queries())

        def at_once(seconds: float) -> None:
            self.looked.append(seconds)
            pause(0.0)

        yield Stores(session, reads, insert, self._await_passed, at_once, range_keys=100, others=self.others)
        insert.close()

    def drift(self, table: str = "CrucibleEntry") -> Mapping[str, int]:
        """What its metrics say of a table, without what is 0."""
        found = {
            sample.labels["kind"]: int(sample.value)
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "crucible_drift_rows" and sample.labels["table"] == table and sample.value
        }
        return dict(sorted(found.items()))

    def value(self, name: str) -> float:
        """What a metric without labels says."""
        return self.metrics.registry.get_sample_value(name) or 0.0


class Part:
    """Something else that is compared, ten numbers at a time, up to 20."""

    def __init__(self, name: str, *places: str) -> None:
        self.name, self.places = name, places
        self.asked = list[int]()
        self.found: dict[int, DifferenceReport] = {}
        self.raises: WatcherError | None = None

    def part(self, first: int) -> tuple[Sequence[DifferenceReport], int | None]:
        """Return what is to be found at a number."""
        self.asked.append(first)
        if self.raises is not None:
            raise self.raises
        return [self.found[first]] if first in self.found else [], first + 10 if first < 20 else None


def test_votes_redis_and_views_follow_the_tables(site: World) -> None:
    """A part each, told by place and kind until it is compared again; one that is away is told and passed over."""
    votes, shown = Part("votes", "crucible_entry_rating", "entityMetricEvents"), Part("redis", "redis")
    votes.found[10] = DifferenceReport("entityMetricEvents", "vote without event", 3, derivable=True, examples=())
    shown.raises = TemporaryError("redis is away")
    one = Process(site, "one", others=(votes, shown))
    site.site.execute("UPDATE crucible_watcher.reconcile_turn SET source_table = 'Crucible', next_key = 0")
    for _ in range(3):
        one.task.turn()
        due(site)
    assert (votes.asked, shown.asked) == ([0, 10, 20], [0])
    assert one.drift("entityMetricEvents") == {"vote without event": 3}
    assert one.value("crucible_reconcile_errors_total") == 1
    with site.session() as session:
        (run,) = drift.runs(session)
    assert (run.tables, run.found["entityMetricEvents"]) == (("Crucible",), {"vote without event": 3})
    votes.found.clear()
    shown.raises = None
    site.site.execute("UPDATE crucible_watcher.reconcile_turn SET source_table = 'votes', next_key = 0")
    for _ in range(3):
        one.task.turn()
        due(site)

    assert (votes.asked[3:], shown.asked[1:]) == ([0, 10, 20], [0, 10, 20])
    assert one.drift("entityMetricEvents") == {}


class _Reads(ClickHouseReads):
    """Remembers which ranges were asked for."""

    def __init__(self, connect: Callable, texts: Mapping[str, str], asked: list[str]) -> None:  # type: ignore[type-arg]
        super().__init__(connect, texts)
        self._asked = asked

    def __call__(self, query: str, parameters: dict, *, table: str = "") -> list:  # type: ignore[override,type-arg]
        if query == "counted_checksums":
            self._asked.append(f"{parameters['source']} {max(0, parameters['low']) // 100}")
        return super().__call__(query, parameters, table=table)  # type: ignore[return-value]


@pytest.fixture
def site(world: World) -> World:
    """A site of 700 entries in seven ranges of which one was never counted, nor their crucible; nobody has looked."""
    world.site.execute("TRUNCATE crucible_watcher.repair, crucible_watcher.drift, crucible_watcher.reconcile_run")
    world.site.execute(
        """UPDATE crucible_watcher.reconcile_turn SET source_table = '', next_key = 0, turned_at = NULL,
           taken_by = NULL, compared = '{}'"""
    )
    world.enter(world.crucible(), 699)
    world.count("id <> 650")
    with world.session() as session:
        history.check(session)
    return world


def due(world: World) -> None:
    """Have the last turn be long ago."""
    world.site.execute("UPDATE crucible_watcher.reconcile_turn SET turned_at = now() - interval '1 day'")


def test_a_round_goes_through_all_keys_a_part_each_turn(site: World) -> None:
    """Whoever takes a turn goes on where the last one was; all of them show what was found."""
    one, other = Process(site, "one"), Process(site, "other")
    one.task.turn()
    due(site)
    other.task.turn()
    assert (one.asked, other.asked) == (["CrucibleEntry 0"], ["CrucibleEntry 3"])
    assert (other.drift(), other.drift("Crucible")) == ({}, {})
    due(site)
    one.task.turn()
    assert one.asked == ["CrucibleEntry 0", "CrucibleEntry 6", "Crucible 0"]
    assert (one.drift(), one.drift("Crucible")) == ({"missing": 1}, {"missing": 1})
    other.task.turn()

    assert other.drift() == {"missing": 1}
    assert other.value("crucible_reconcile_last_run_timestamp_seconds") > 1e9
    with site.session() as session:
        (run,) = drift.runs(session)
    assert (run.made_with, run.made_by, set(run.tables)) == ("daemon", "one", {"CrucibleEntry", "Crucible"})
    assert run.found == {"Crucible": {"missing": 1}, "CrucibleEntry": {"missing": 1}}
    marks = site.site.execute("SELECT source_table, highest FROM crucible_watcher.key_mark").fetchall()
    highest = [site.site.execute(f'SELECT max(id) FROM "{one.name}"').fetchone()[0] for one in TABLES]  # type: ignore[index] # noqa: S608
    assert dict(marks) == dict(zip((one.name for one in TABLES), highest, strict=True))


def test_a_gap_of_ids_is_passed_in_a_turn(site: World) -> None:
    """One entry has an id of a billion: the round is over after as many turns as without it, and one more."""
    contest = site.site.execute('SELECT min(id) FROM "Crucible"').fetchone()[0]  # type: ignore[index]
    site.enter(contest, 1, first=1_000_000_000)
    one = Process(site, "one")
    for _ in range(4):
        one.task.turn()
        due(site)

    assert one.asked[:4] == ["CrucibleEntry 0", "CrucibleEntry 3", "CrucibleEntry 6", "CrucibleEntry 10000000"]
    assert one.asked[4] == "Crucible 0"
    assert (one.drift(), one.drift("Crucible")) == ({"missing": 2}, {"missing": 1})


def test_what_is_counted_meanwhile_is_no_drift_any_more(site: World) -> None:
    """The range is compared again a round later, and its finding is taken back."""
    one = Process(site, "one")
    for _ in range(3):
        one.task.turn()
        due(site)
    assert one.drift() == {"missing": 1}
    site.count("id = 650", lsn=90_000)
    for _ in range(3):
        one.task.turn()
        due(site)

    assert one.drift() == {}


def test_the_command_takes_back_what_was_found(site: World) -> None:
    """At once, and not a round later; without the right to note anything it compares all the same."""
    site.site.execute("UPDATE crucible_watcher.reconcile_turn SET source_table = 'CrucibleEntry', next_key = 600")
    one = Process(site, "one")
    one.task.turn()
    reconcile = ("reconcile", "--table", "CrucibleEntry")
    assert one.drift() == {"missing": 1}
    site.count("id = 650", lsn=90_000)
    role = sql.Identifier(site_database.WATCHER_ROLE)
    site.site.execute(sql.SQL("REVOKE DELETE ON crucible_watcher.drift FROM {}").format(role))
    assert crucible(*reconcile, environ=site.environ).returncode == 0
    site.site.execute(sql.SQL("GRANT DELETE ON crucible_watcher.drift TO {}").format(role))
    one.task.turn()
    assert one.drift() == {"missing": 1}
    assert crucible(*reconcile, environ=site.environ).returncode == 0
    one.task.turn()

    assert (one.drift(), one.drift("Crucible")) == ({}, {"missing": 1})


def test_what_lies_below_the_first_key_is_of_the_first_part(site: World) -> None:
    """It is found, and taken back when it is counted."""
    contest = site.site.execute('SELECT min(id) FROM "Crucible"').fetchone()[0]  # type: ignore[index]
    site.enter(contest, 1, first=-60)
    one = Process(site, "one")
    one.task.turn()
    assert one.drift() == {"missing": 1}
    site.count("id IN (-60, 650)", lsn=90_000)
    for _ in range(4):
        due(site)
        one.task.turn()

    assert one.drift() == {}


def test_one_process_at_a_time_and_not_before_it_is_due(site: World) -> None:
    """The others wait; one that died with its turn is succeeded when its lease is over."""
    one, other = Process(site, "one"), Process(site, "other")
    with site.session() as session:
        assert reconcile_turn.take(session, "one", HOUR_SECONDS) is not None
    assert 0 < other.task.turn() <= reconcile_turn.LEASE_SECONDS
    assert other.asked == []
    site.site.execute("UPDATE crucible_watcher.reconcile_turn SET taken_until = now() - interval '1 second'")
    assert HOUR_SECONDS - 60 < other.task.turn() <= HOUR_SECONDS
    assert HOUR_SECONDS - 60 < one.task.turn() <= HOUR_SECONDS

    assert (one.asked, other.asked) == ([], ["CrucibleEntry 0"])


def test_what_the_stream_may_still_bring_is_not_told(site: World) -> None:
    """It is waited for; where it stands nothing is told of that table, the failure is counted, and the others go on."""
    passed = list[int]()
    arriving = Process(
        site, "one", await_passed=lambda lsn: (passed.append(lsn), site.count("id = 650", lsn=91_000))[0]
    )

    def stands(_: int) -> None:
        raise StreamStandsError("the slot stands")

    standing = Process(site, "other", await_passed=stands)
    for _ in range(3):
        standing.task.turn()
        due(site)
    assert standing.drift() == {}
    assert standing.value("crucible_reconcile_errors_total") == 2  # the entries, the crucible
    with site.session() as session:
        assert [run.tables for run in drift.runs(session)] == [()]
    for _ in range(3):
        arriving.task.turn()
        due(site)

    assert (arriving.drift(), len(passed) > 0) == ({}, True)


def test_a_neighbour_that_is_away_is_waited_for(site: World) -> None:
    """The turn goes on there when it is back; the process does not end."""
    one = Process(site, "one")

    def away(_: int) -> None:
        raise TemporaryError("kafka is away")

    one._await_passed = away
    one.task.turn()
    due(site)
    one.task.turn()
    due(site)
    with pytest.raises(TemporaryError, match="kafka is away"):
        one.task.turn()
    one.task.away(TemporaryError("kafka is away"))
    one._await_passed = lambda _: None
    one.task.turn()

    assert one.asked[-3:] == ["CrucibleEntry 6", "CrucibleEntry 6", "Crucible 0"]
    assert (one.drift(), one.value("crucible_reconcile_errors_total")) == ({"missing": 1}, 1)


def test_a_right_that_is_missing_ends_nothing(site: World) -> None:
    """The table is passed over this time, and the others are compared."""
    entries = sql.Identifier("CrucibleEntry")
    role = sql.Identifier(site_database.WATCHER_ROLE)
    one = Process(site, "one")
    site.site.execute(sql.SQL("REVOKE SELECT ON {} FROM {}").format(entries, role))
    try:
        one.task.turn()
    finally:
        site.site.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(entries, role))

    assert (one.asked, one.drift("Crucible")) == (["Crucible 0"], {"missing": 1})
    assert one.value("crucible_reconcile_errors_total") == 1


def test_who_is_to_end_leaves_the_turn_to_others(site: World) -> None:
    """In the middle of a wait, at once, and nothing is told that was not looked at for long enough."""
    one, other = Process(site, "one"), Process(site, "other")
    one._await_passed = lambda _: one.task.signal.stop()
    site.site.execute("UPDATE crucible_watcher.reconcile_turn SET source_table = 'CrucibleEntry', next_key = 600")
    one.task.turn()
    assert one.drift() == {}
    other.task.turn()

    assert other.asked == ["CrucibleEntry 6", "Crucible 0"]
    assert other.drift() == {"missing": 1}


@pytest.mark.parametrize("auto_fix", [True, False])
def test_auto_fix(site: World, monkeypatch: pytest.MonkeyPatch, *, auto_fix: bool) -> None:
    """What is found is put right only where that is wanted, and then the table needs no comparison any more."""
    monkeypatch.setattr(repairer, "ANNOUNCED_SECONDS", 0.0)
    one = Process(site, "one", auto_fix=auto_fix)
    with site.session() as session:
        reconcile_needed.note(session, "CrucibleEntry", "snapshot")
        for _ in range(3):
            one.task.turn()
            due(site)
        needs = [need.source_table for need in reconcile_needed.needs(session)]
        logged = repair.log(session, 9)
        session.run("DELETE FROM {schema}.reconcile_needed")

    assert one.drift() == ({} if auto_fix else {"missing": 1})
    assert needs == ([] if auto_fix else ["CrucibleEntry"])
    assert [(done.made_by, done.table, done.rows) for done in logged] == (
        [("one", "Crucible", 1), ("one", "CrucibleEntry", 0), ("one", "CrucibleEntry", 1)] if auto_fix else []
    )
    mended = one.metrics.registry.get_sample_value(
        "crucible_reconcile_mended_rows_total", {"kind": "missing", "table": "CrucibleEntry"}
    )
    assert mended == (1 if auto_fix else 0)
