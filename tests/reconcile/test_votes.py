"""Votes that are there twice, and events of votes that are none or too many, are found and put right once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from time import time
from typing import Any

import pytest

from tests.reconcile.conftest import World
from tests.scythe import Scythe
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.queries import queries
from watcher.clickhouse.reads import ClickHouseReads
from watcher.clickhouse.vote_tables import VoteTables
from watcher.model import repair as repair_rows
from watcher.model.drain_plan import event_rows, vote_rows
from watcher.model.vote import LoggedVote
from watcher.postgres.own import history, repair
from watcher.reconcile.difference_reports import DifferenceReport, DifferenceReports
from watcher.reconcile.votes import comparison, repairer
from watcher.reconcile.votes.comparison import VoteComparison, VoteKind
from watcher.reconcile.votes.repairer import VoteRepairer

NOW = int(time()) // 60 * 60 - 3600
CRUCIBLE, CALM = 42, 43


class _Plan:
    """An insert of a test."""

    doubtful = False

    def __init__(self, token: str) -> None:
        self.token = token


def votes(first: int, last: int, epoch: int = 1) -> list[LoggedVote]:
    """Votes by as many judges, a second apart."""
    return [
        LoggedVote(epoch, seq, 100 + seq % 5, 200 + seq % 7, 1_000 + seq, (NOW + seq) * 1000 + 321, 1516, 1484)
        for seq in range(first, last + 1)
    ]


def insert(world: World, some: list[LoggedVote], crucible: int = CRUCIBLE, *, only: str = "both", token: str) -> None:
    """Insert votes and their events as a drain would, without asking what is there."""
    tables = VoteTables(world.client, queries())
    if only != "events":
        tables.votes.write(_Plan(token), vote_rows({crucible: some}), present=set())
    if only != "votes":
        tables.events.write(_Plan(token), event_rows({crucible: some}), present=set())
    tables.close()


class NobodyElse:
    """Knows no votes that ClickHouse lacks; who does is another test (``tests/votes/test_only_in_redis.py``)."""

    def short(self, among: range) -> list[int]:
        """None is short of any."""
        assert among
        return []

    def missing(self, crucible_id: int) -> Iterator[list[LoggedVote]]:
        """Nothing is known of them."""
        assert crucible_id
        yield from ()


class Mender:
    """A run of its own."""

    def __init__(self, world: World, session: Any, head: tuple[int, int] | None = None) -> None:
        self.link = ClickHouseLink(world.client)
        reads = ClickHouseReads(world.client, queries())
        self.comparison = VoteComparison(reads, lambda _: head, NobodyElse(), lambda _: None)
        self.repairer = VoteRepairer(
            session, self.comparison, self.link, queries(), alone=lambda _: nullcontext(True), made_by="a test"
        )

    def found(self) -> dict[str, int]:
        """What differs, by kind."""
        return {one.kind: one.rows for one in self.look()}

    def look(self) -> tuple[DifferenceReport, ...]:
        """What differs."""
        findings = DifferenceReports(3)
        for one in self.comparison.doubtful():
            self.comparison.look(one, findings)
        return findings.all()

    def mend(self) -> dict[str, tuple[int, int]]:
        """Carry out what was decided, then mend; what was found and what is left of it, by kind."""
        self.repairer.finish_open()
        findings = DifferenceReports(3)
        for one in self.comparison.doubtful():
            self.repairer.mend(one, findings)
        return {one.kind: (one.rows, one.left) for one in findings.all()}


@contextmanager
def mending(world: World, **given: Any) -> Iterator[Mender]:
    """Open a run."""
    with world.session() as session:
        history.check(session)
        mender = Mender(world, session, **given)
        yield mender
        mender.link.close()


def test_a_part_of_the_crucibles_is_compared_alone(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts follow each other without a gap, by how many votes there are; the last one has no end."""
    monkeypatch.setattr(comparison, "PART_VOTES", 100)
    with mending(broken) as one:
        first = one.comparison.part(0)
        second = one.comparison.part(first.stop)
        third = one.comparison.part(second.stop)
        doubtful = [one.comparison.doubtful(part) for part in (first, second, third)]
        monkeypatch.setattr(comparison, "PART_CRUCIBLES", 1)
        monkeypatch.setattr(comparison, "PART_VOTES", 1_000)
        by_number = one.comparison.part(0)

    assert (first, second) == (range(CRUCIBLE + 1), range(CRUCIBLE + 1, CALM + 1))
    assert third == range(CALM + 1, comparison.EVERY_CRUCIBLE.stop)
    assert (doubtful, by_number) == ([[CRUCIBLE], [], []], first)


@pytest.fixture
def broken(world: World) -> World:
    """A hundred votes: three are there twice with their events, two have no event, one has its event twice."""
    world.site.execute("TRUNCATE crucible_watcher.repair")
    insert(world, votes(1, 100), CALM, token="calm")
    some = votes(1, 100)
    insert(world, some, only="votes", token="all")
    insert(world, [one for one in some if one.seq not in {50, 51}], only="events", token="all")
    insert(world, some[9:12], token="late")
    insert(world, some[19:20], only="events", token="again")
    return world


FOUND = {"vote there twice": 3, "vote's event there twice": 4, "vote without event": 2}


def counted(world: World) -> tuple[int, int, int]:
    """Votes, different numbers of votes, and what their events add up to."""
    asked = "SELECT count(), uniqExact(vote_epoch, vote_seq) FROM crucible_entry_rating WHERE crucible_id = 42"
    ((there, numbers),) = world.clickhouse.query(asked).result_rows
    asked = "SELECT sum(metricValue) FROM entityMetricEvents WHERE entityId = 42 AND metricType = 'Vote'"
    return there, numbers, world.clickhouse.query(asked).result_rows[0][0]


def test_each_kind_is_named_and_put_right(broken: World) -> None:
    """In the day that the vote was cast on; what is right is left alone, and a second run finds nothing."""
    with mending(broken) as one:
        assert one.comparison.doubtful() == [CRUCIBLE]
        assert (one.found(), counted(broken)) == (FOUND, (103, 100, 102))
        assert one.mend() == {kind: (rows, 0) for kind, rows in FOUND.items()}

        assert (one.found(), one.mend(), counted(broken)) == ({}, {}, (100, 100, 100))
        assert {logged.rows for logged in repair.log(one.repairer._session, 5)} == {3, 6}
    asked = "SELECT max(toUnixTimestamp(createdAt)) FROM entityMetricEvents WHERE sourceIndex >= 128"
    assert broken.clickhouse.query(asked).result_rows == [(NOW + 51,)]


def test_what_nobody_can_tell_is_said_and_left(world: World) -> None:
    """A number of two votes, a number passed over, and an event whose vote is gone."""
    some = votes(1, 20)
    insert(world, [one for one in some if one.seq not in {7, 8}], only="votes", token="all")
    insert(world, [one for one in some if one.seq != 8], only="events", token="all")
    insert(world, [some[11]._replace(winner=999)], only="votes", token="other")
    with mending(world) as one:
        before = one.look()
        one.mend()

        assert one.look() == before
    assert {found.kind: (found.rows, found.derivable) for found in before} == {
        "number given twice": (1, False),
        "vote missing": (2, False),
        "event without vote": (1, False),
    }
    assert before[1].examples == ("2 of votes 1-1 to 1-20 of crucible 42",)


def test_what_is_on_its_way_is_left_out(world: World) -> None:
    """A drain writes votes before their events, and takes them out of Redis' log after both."""
    insert(world, votes(1, 20), token="drained")
    insert(world, votes(21, 30), only="votes", token="half")
    with mending(world, head=(1, 21)) as one:
        assert one.found() == {}
    with mending(world) as one:
        assert one.found() == {"vote without event": 10}


def test_votes_past_their_time_are_no_difference(world: World) -> None:
    """The first of a crucible's votes go one by one after ninety days, and their events stay."""
    some = [one._replace(ms=one.ms - (100 if one.seq < 30 else 80) * 86_400_000) for one in votes(1, 60)]
    insert(world, some, only="events", token="old")
    insert(world, [one for one in some if one.seq >= 30], only="votes", token="old")
    with mending(world) as one:
        assert one.found() == {}


@pytest.mark.parametrize("place", ["repair.decided", "repair.copied", "repair.written"])
def test_who_dies_in_it_is_finished_by_the_next(broken: World, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    scythe = Scythe(monkeypatch, repairer)
    with mending(broken) as one:
        scythe.run(lambda: one.mend() and None, 1, place)
    assert scythe.killed.total() == 1
    with mending(broken) as other:
        other.mend()

        assert (other.found(), counted(broken)) == ({}, (100, 100, 100))


def at_once(world: World) -> None:
    """Two runs that both find everything before either has decided anything."""
    with mending(world) as one, mending(world) as other, ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(mender.repairer.mend, CRUCIBLE, DifferenceReports(3)) for mender in (one, other)]:
            done.result(120)


def test_two_runs_at_once_count_once(broken: World) -> None:
    at_once(broken)

    with mending(broken) as one:
        assert (one.found(), counted(broken)) == ({}, (100, 100, 100))


def blindly(world: World, patch: pytest.MonkeyPatch) -> None:
    """Two runs, one after the other, that see nothing of each other: the second finds what the first has found."""
    with mending(world) as one, mending(world) as other:
        copies, gaps = one.comparison.copies(CRUCIBLE), one.comparison.event_gaps(CRUCIBLE)
        votes = [copy.row(CRUCIBLE) for copy in copies]
        patch.setattr(repair, "open_repairs", lambda *_: [])
        for mender in (one, other):
            mender.repairer._decide_and_do([mender.repairer._once_plan(CRUCIBLE, VoteKind.TWICE, 3, votes)])
            mender.repairer._decide_and_do(mender.repairer._event_plans(CRUCIBLE, gaps))


def test_runs_that_see_nothing_of_each_other_count_once(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same repair of an event has the same identity, and a copy too many is deleted by whoever is later."""
    blindly(broken, monkeypatch)

    assert counted(broken) == (100, 100, 100)


def test_with_identities_by_chance_they_count_twice(broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    numbers = iter(range(1_000))
    monkeypatch.setattr(repair_rows, "identity", lambda *_: next(numbers).to_bytes(16, "big"))
    blindly(broken, monkeypatch)

    assert counted(broken)[2] != 100
