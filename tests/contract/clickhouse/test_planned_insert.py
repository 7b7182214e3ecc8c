"""A planned insert by itself: whatever dies, comes late or is lost, the table and all its views count each row once."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from watcher.clickhouse import planned_insert
from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert, ViewsDisagreeError
from watcher.clickhouse.queries import queries
from watcher.clickhouse.vote_tables import VOTE_EVENTS, VOTES
from watcher.migrations.clickhouse import migrate
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.model.drain_plan import event_rows, vote_rows
from watcher.model.metric_rows import MetricRows
from watcher.model.plan_outcome import PlanOutcome
from watcher.model.vote import LoggedVote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

    from watcher.clickhouse.planned_table import PlannedTable

MS = int(time.time()) // 3600 * 3_600_000
"""Lately, for votes expire, and at the beginning of an hour, so that no month ends among the rows."""
ROWS = 6
_CRUCIBLES = count(1)


class CrashError(Exception):
    """Whoever wrote is dead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan's name."""

    token: str
    doubtful: bool = True


def _changes(crucible: int, numbers: range) -> MetricRows:
    return MetricRows(
        ("Crucible", crucible, 7, "Vote", 1, MS + one, "vote", crucible, one + 1, f"{crucible:08}{one:08}".encode(), 0)
        for one in numbers
    )


def _votes(crucible: int, numbers: range) -> dict[int, list[LoggedVote]]:
    return {crucible: [LoggedVote(1, one + 1, 7, 8, 3, MS + one * 1000, 1516, 1484) for one in numbers]}


METRIC_VIEWS = dict.fromkeys(("metric_totals_v1", "metric_daily_v1", "metric_hourly_v1"), "sum(total)")


@dataclass(frozen=True, slots=True)
class Case:
    """A table under contract."""

    table: PlannedTable[Any, Any]
    rows: Callable[[int, range], Any]
    """Rows of a crucible with some numbers, each of which counts one in every view."""
    crucible: tuple[str, str]
    """The column that says whose a row is: of the table, and of the views."""
    views: dict[str, str]
    """By the table behind a view, what it counts."""


CASES = {
    "changes": Case(CHANGES, _changes, ("entityId", "entity_id"), METRIC_VIEWS),
    "vote events": Case(
        VOTE_EVENTS,
        lambda crucible, numbers: event_rows(_votes(crucible, numbers)),
        ("entityId", "entity_id"),
        METRIC_VIEWS,
    ),
    "votes": Case(
        VOTES,
        lambda crucible, numbers: vote_rows(_votes(crucible, numbers)),
        ("crucible_id", "crucible_id"),
        {
            "crucible_votes_v1": "sum(votes)",
            "entry_record_v1": "sum(wins)",
            "judge_activity_v1": "sum(votes)",
            "entry_rating_v1": "intDiv(sum(votes), 2)",
        },
    ),
}


class Bench:
    """A crucible of its own in one of the tables, and any number of those who write to it."""

    def __init__(self, case: Case, client: Client, connect: Callable[[], Client]) -> None:
        self.case, self.client, self._connect = case, client, connect
        self._crucible = next(_CRUCIBLES)
        self.plan, self.other = Plan(f"plan/{self._crucible}/10/20"), Plan(f"plan/{self._crucible}/20/30")
        self.rows, self.other_rows = self.numbered(range(ROWS)), self.numbered(range(ROWS, 2 * ROWS))
        self._made: list[PlannedInsert[Any, Any]] = []

    def numbered(self, numbers: range) -> Any:
        """Rows of the crucible."""
        return self.case.rows(self._crucible, numbers)

    def writer(self) -> PlannedInsert[Any, Any]:
        """Somebody new, who knows nothing of the others."""
        made = PlannedInsert(self.case.table, ClickHouseLink(self._connect), queries())
        self._made.append(made)
        return made

    def counted(self) -> dict[str, int]:
        """Rows of the table, and what each view counts."""
        of_table, of_view = self.case.crucible
        asked = {self.case.table.name: f"count() FROM {self.case.table.name} WHERE {of_table}"} | {
            view: f"{what} FROM {view} WHERE {of_view}" for view, what in self.case.views.items()
        }
        text = ", ".join(f"(SELECT {one} = {self._crucible})" for one in asked.values())
        return dict(zip(asked, self.client.query(f"SELECT {text}").result_rows[0], strict=True))

    def each(self, number: int) -> dict[str, int]:
        """The table has so many rows, and so has each view."""
        return dict.fromkeys([self.case.table.name, *self.case.views], number)

    def lose_rows(self) -> None:
        """The table has no rows; the tokens of its inserts, and the views, are as they were."""
        self.client.command(f"ALTER TABLE {self.case.table.name} DELETE WHERE 1", settings={"mutations_sync": 2})

    def lose_view(self, view: str) -> None:
        """A view has nothing and knows no token, as if its parts had never been written."""
        self.client.command(f"TRUNCATE TABLE {view}")

    def close(self) -> None:
        """Give all connections back."""
        for one in self._made:
            one.close()


@pytest.fixture(scope="module")
def migrated(connect: Callable[..., Client]) -> Iterator[Callable[[], Client]]:
    """Clients of one database for all these tests: migrating it takes longer than they do."""
    admin, name = connect(), f"planned_{uuid.uuid4().hex}"
    admin.command(f"CREATE DATABASE {name}")
    client = connect(database=name)
    migrate.up(client, Deployment(), margin=0.1)
    for table in {case.table.name for case in CASES.values()}:
        # Else what ``lose_rows`` leaves empty is soon taken away, and its tokens with it.
        client.command(f"ALTER TABLE {table} MODIFY SETTING remove_empty_parts = 0")
    client.close()
    yield lambda: connect(database=name)
    admin.command(f"DROP DATABASE {name} SYNC")
    admin.close()


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def bench(
    request: pytest.FixtureRequest, migrated: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A table in which the crucible has nothing."""
    monkeypatch.setattr(planned_insert, "SETTLE_SECONDS", (0.01,))
    client = migrated()
    made = Bench(request.param, client, migrated)
    yield made
    made.close()
    client.close()


def _crash() -> None:
    raise CrashError


def test_written_twice(bench: Bench) -> None:
    """The second one finds it there and sends nothing."""
    outcomes = [bench.writer().write(bench.plan, bench.rows) for _ in range(2)]

    assert outcomes == [PlanOutcome.WRITTEN, PlanOutcome.REPEATED]
    assert bench.counted() == bench.each(ROWS)


def test_sent_twice(bench: Bench) -> None:
    """Also who does not ask is recognised, by the token."""
    outcomes = [bench.writer().write(bench.plan, bench.rows, present=set()) for _ in range(2)]

    assert outcomes == [PlanOutcome.WRITTEN, PlanOutcome.WRITTEN]
    assert bench.counted() == bench.each(ROWS)


def test_sent_twice_without_asking_under_two_tokens(bench: Bench) -> None:
    """The control: neither asked nor recognised, everything counts twice."""
    for plan in (bench.plan, bench.other):
        bench.writer().write(plan, bench.rows, present=set())

    assert bench.counted() == bench.each(2 * ROWS)


def test_rows_of_another_plan_are_not_sent_again(bench: Bench) -> None:
    """Half of a plan is there under another plan's token."""
    bench.writer().write(bench.plan, bench.rows)
    one = bench.writer()
    rows = bench.numbered(range(ROWS // 2, 2 * ROWS))
    present = one.present([rows])

    assert len(one.missing(rows, present)) == ROWS
    assert one.write(bench.other, rows, present=present) is PlanOutcome.WRITTEN
    assert bench.counted() == bench.each(2 * ROWS)


def test_a_plan_without_rows(bench: Bench) -> None:
    """Nothing is asked, sent or compared."""
    rows = bench.numbered(range(0))

    assert bench.writer().write(bench.plan, rows, _crash) is PlanOutcome.WRITTEN
    assert bench.writer().recover(bench.plan, rows, _crash) is PlanOutcome.RECOVERED
    assert bench.counted() == bench.each(0)


@pytest.mark.parametrize(("sent", "there"), [(False, 0), (True, ROWS)], ids=["before it sends", "after it has sent"])
def test_the_writer_dies(bench: Bench, sent: bool, there: int) -> None:
    """Whoever comes next finds what is there, and sends what is not."""
    hooks = {"after_send" if sent else "before_send": _crash}
    with pytest.raises(CrashError):
        bench.writer().write(bench.plan, bench.rows, **hooks)
    assert bench.counted() == bench.each(there)

    assert bench.writer().recover(bench.plan, bench.rows) is PlanOutcome.RECOVERED
    assert bench.counted() == bench.each(ROWS)


def test_a_request_that_lands_late(bench: Bench) -> None:
    """It was asked when nothing was there, and arrives when somebody else has written the plan."""
    meanwhile: list[PlanOutcome] = []

    def overtaken() -> None:
        if not meanwhile:
            meanwhile.append(bench.writer().recover(bench.plan, bench.rows))

    bench.writer().write(bench.plan, bench.rows, overtaken)

    assert meanwhile == [PlanOutcome.RECOVERED]
    assert bench.counted() == bench.each(ROWS)


def test_a_request_that_lands_late_under_a_token_of_its_own(bench: Bench) -> None:
    """The control: asking does not help against it."""
    late, meanwhile = bench.writer(), bench.writer()
    late.write(
        bench.other, bench.rows, lambda: bench.counted() == bench.each(0) and meanwhile.recover(bench.plan, bench.rows)
    )

    assert bench.counted() == bench.each(2 * ROWS)


@pytest.mark.parametrize("how", ["recover", "write"])
def test_the_token_is_kept_and_the_part_lost(bench: Bench, how: str) -> None:
    """The same insert is answered with success and adds nothing: the rows are brought in past the views."""
    bench.writer().write(bench.plan, bench.rows)
    bench.lose_rows()
    believed = bench.writer().write(Plan(bench.plan.token, doubtful=False), bench.rows)
    lost = bench.counted()
    healed = getattr(bench.writer(), how)(bench.plan, bench.rows)

    assert believed is PlanOutcome.WRITTEN
    assert lost == bench.each(ROWS) | {bench.case.table.name: 0}
    assert healed is PlanOutcome.HEALED
    assert bench.counted() == bench.each(ROWS)


def test_whoever_dies_while_lost_rows_are_brought_in(bench: Bench) -> None:
    """Staged and not given to the table: the next one does all of it again."""
    bench.writer().write(bench.plan, bench.rows)
    bench.lose_rows()
    sends = iter([None, None])  # the insert, and before anything is staged

    def dying() -> None:
        if next(sends, CrashError) is CrashError:
            raise CrashError

    with pytest.raises(CrashError):
        bench.writer().recover(bench.plan, bench.rows, dying)
    assert bench.counted() == bench.each(ROWS) | {bench.case.table.name: 0}

    assert bench.writer().recover(bench.plan, bench.rows) is PlanOutcome.HEALED
    assert bench.counted() == bench.each(ROWS)


@pytest.mark.parametrize("bench", [CASES["votes"], CASES["vote events"]], indirect=True)
@pytest.mark.parametrize("place", [1, 2], ids=["before it stages", "before it moves"])
def test_two_bring_in_the_same_rows(bench: Bench, place: int) -> None:
    """Where several carry out one plan, what one has moved the other does not move again."""
    bench.writer().write(bench.plan, bench.rows)
    bench.lose_rows()
    sends, meanwhile = iter(range(9)), list[PlanOutcome]()

    def overtaken() -> None:
        if next(sends) == place:
            meanwhile.append(bench.writer().recover(bench.plan, bench.rows))

    bench.writer().recover(bench.plan, bench.rows, overtaken)

    assert meanwhile == [PlanOutcome.HEALED]
    assert bench.counted() == bench.each(ROWS)


def test_a_view_lacks_its_part(bench: Bench) -> None:
    """Each in its turn: the plan is sent again, the table and the other views drop it, that view takes it."""
    bench.writer().write(bench.plan, bench.rows)
    for view in bench.case.views:
        bench.lose_view(view)
        assert bench.counted() == bench.each(ROWS) | {view: 0}

        assert bench.writer().recover(bench.plan, bench.rows) is PlanOutcome.RECOVERED
        assert bench.counted() == bench.each(ROWS)


def test_a_view_lacks_more_than_the_plan(bench: Bench) -> None:
    """Sending the plan again would hide it: nothing is sent, and the view is named."""
    bench.writer().write(bench.plan, bench.rows)
    bench.writer().write(bench.other, bench.other_rows)
    view = next(iter(bench.case.views))
    bench.lose_view(view)
    sent: list[None] = []

    with pytest.raises(
        ViewsDisagreeError, match=f"disagree for keys of plan {bench.plan.token}; stop the watchers, DROP the table"
    ):
        bench.writer().recover(bench.plan, bench.rows, lambda: sent.append(None))
    assert sent == []
    assert bench.counted() == bench.each(2 * ROWS) | {view: 0}
