"""What the doctor makes of answers that a healthy server on this machine never gives."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from watcher.admin.doctor import connect
from watcher.admin.doctor.clickhouse import block_size
from watcher.admin.doctor.deduplication import StoredTable, forgetful
from watcher.admin.doctor.examine import examine
from watcher.admin.doctor.findings import Finding, Level, explained, fail, ok
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.rights import rights
from watcher.admin.doctor.postgres.server import server, wal_level
from watcher.admin.doctor.postgres.slot import MAX_RETAINED_BYTES, slot
from watcher.model.errors import TemporaryError
from watcher.postgres.session import Session

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

NAMES = SourceNames(("public.Crucible",), slot="crucible", publication="crucible")


class Answers:
    """A session that gives the same rows to every question."""

    schema = "crucible_watcher"

    def __init__(self, *rows: tuple[object, ...]) -> None:
        self._rows = list(rows)

    def read(self, _: str, *__: object) -> list[tuple[object, ...]]:
        """The rows, whatever is asked."""
        return self._rows


def answering(*rows: tuple[object, ...]) -> Session:
    """It, as the checks take it."""
    return cast("Session", Answers(*rows))


@pytest.mark.parametrize(
    ("rows", "level", "advice"),
    [
        ([], Level.FAIL, "`crucible connector delete --offsets`, then `crucible connector apply`"),
        (
            [(True, "lost", None)],
            Level.FAIL,
            "SELECT pg_drop_replication_slot('crucible'), then ",
        ),
        ([(True, "unreserved", MAX_RETAINED_BYTES)], Level.FAIL, "max_slot_wal_keep_size"),
        ([(False, "reserved", 0)], Level.FAIL, "crucible connector status"),
        ([(True, "extended", MAX_RETAINED_BYTES + 1)], Level.WARN, "the connector lags"),
        ([(True, "reserved", MAX_RETAINED_BYTES)], Level.OK, ""),
    ],
)
def test_a_slot_is_judged_by_its_log(rows: list[tuple[object, ...]], level: Level, advice: str):
    """Lost, about to be lost, left alone and slow are four faults with four things to do."""
    (found,) = slot(answering(*rows), NAMES)

    assert (found.level, advice in found.advice) == (level, True)


@pytest.mark.parametrize(("given", "level"), [("logical", Level.OK), ("replica", Level.FAIL), ("minimal", Level.FAIL)])
def test_a_log_without_rows_is_a_fault(given: str, level: Level):
    """Debezium cannot read anything less than a logical log."""
    (found,) = wal_level(answering((given,)))

    assert (found.level, found.found) == (level, given)


def test_a_schema_that_is_missing_is_named():
    """With the file that makes it."""
    (found,) = rights(answering(), NAMES)

    assert (found.level, "crucible_watcher does not exist" in found.found) == (Level.FAIL, True)
    assert "watcher.sql" in found.advice


def test_a_standby_is_a_fault():
    """It takes no writes, and so no markers."""
    (found,) = server(answering(("16.4", True, False)))

    assert (found.level, "primary" in found.advice) == (Level.FAIL, True)


class Server:
    """A ClickHouse that gives one number to every question."""

    def __init__(self, number: int) -> None:
        self.result_rows = [(number,)]

    def query(self, _: str) -> "Server":
        """The answer, whatever is asked."""
        return self


@pytest.mark.parametrize(("limit", "level"), [(100_000, Level.OK), (99_999, Level.FAIL)])
def test_a_block_smaller_than_a_batch_is_a_fault(limit: int, level: Level):
    """The batch would be two blocks, of which one may be there without the other."""
    (found,) = block_size(cast("Client", Server(limit)), 100_000)

    assert (found.level, str(limit) in found.advice) == (level, level is Level.FAIL)


PAUSED = fail("connect.tasks", "paused", "let it run", because=("postgres.slot.gone",))
IDLE_SLOT = fail("postgres.slot", "nobody streams", "see the tasks", because=("connect.tasks",))
NO_SLOT = fail("postgres.slot", "there is none", "make one", fault="postgres.slot.gone")
LATE_BEAT = fail("postgres.heartbeat", "old", "see the tasks", because=("connect.tasks", "postgres.slot.gone"))


@pytest.mark.parametrize(
    ("findings", "follows"),
    [
        ([IDLE_SLOT, LATE_BEAT, PAUSED], {"postgres.slot": "connect.tasks", "postgres.heartbeat": "connect.tasks"}),
        ([NO_SLOT, PAUSED, LATE_BEAT], {"connect.tasks": "postgres.slot", "postgres.heartbeat": "connect.tasks"}),
        ([IDLE_SLOT, LATE_BEAT], {}),
        ([ok("postgres.slot", "streams"), PAUSED], {}),
        ([ok("connect.tasks", "run"), IDLE_SLOT, LATE_BEAT], {}),
    ],
)
def test_what_only_follows_from_another_fault_is_told_so(findings: list[Finding], follows: dict[str, str]):
    """Whoever is not explained is somebody's to mend; nothing is left out."""
    found = list(explained(findings))

    assert {one.name: one.follows_from for one in found if one.follows_from} == follows
    assert sorted(one.name for one in found) == sorted(one.name for one in findings)


def test_a_check_that_is_not_answered_because_of_another_neighbour_is_told_so():
    """Kafka Connect asks the database when it looks at a configuration: frozen, it leaves Connect without an answer."""

    def guards(_worker: object) -> Iterator[Finding]:
        raise TemporaryError("no answer within 30 s")

    checked = examine("connect", object, (guards,), "check connect.url", connect.CAUSES)
    found = list(explained([fail("postgres", "connection timeout expired", "check that it is up"), *checked]))

    assert [(one.name, one.follows_from) for one in found] == [("postgres", ""), ("connect.guards", "postgres")]


class Ended:
    """A neighbour whose connection the first check ends."""

    is_open = True

    def ask(self, words: str) -> Iterator[Finding]:
        """Answer nothing."""
        self.is_open = False
        raise TemporaryError(words)
        yield


def test_a_connection_that_a_check_has_ended_is_one_fault():
    """A pooler that refuses a block closes the connection; all that is asked of it then would say so, one by one."""

    def pooler(neighbour: Ended) -> Iterator[Finding]:
        return neighbour.ask("not allowed in statement pooling mode")

    def rights(neighbour: Ended) -> Iterator[Finding]:
        return neighbour.ask("the connection is closed")

    (found,) = examine("postgres", Ended, (pooler, rights, rights), "-")

    assert (found.name, found.level) == ("postgres.pooler", Level.FAIL)
    assert found.found.endswith("pooling mode; the connection is gone, and with it 2 other checks of postgres")


def test_what_is_said_to_several_checks_is_one_fault():
    """A server that goes away in between is told once; what another check says stands for itself."""

    def away(_: object) -> Iterator[Finding]:
        raise TemporaryError("nobody listens")

    def columns(_: object) -> Iterator[Finding]:
        raise TemporaryError("nobody listens")

    def other(_: object) -> Iterator[Finding]:
        raise TemporaryError("too slow")

    found = explained(examine("clickhouse", object, (away, columns, other), "-"))

    assert {one.name: one.follows_from for one in found} == {
        "clickhouse.away": "",
        "clickhouse.other": "",
        "clickhouse.columns": "clickhouse.away",
    }


OURS = "CREATE TABLE d.entityMetricEvents (x) ENGINE = MergeTree SETTINGS non_replicated_deduplication_window = 100000"
REMEMBERS = " SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 5"


def stored(name: str, engine: str, definition: str = "", feeds: tuple[tuple[str, str], ...] = ()) -> StoredTable:
    """Return a table of the database d."""
    return StoredTable("d", name, engine, definition, "00-11", feeds)


@pytest.mark.parametrize(
    ("behind", "found"),
    [
        ([stored("v", "MaterializedView", ".. TO d.t (x) AS .."), stored("t", "MergeTree")], [("d.v", "d.t")]),
        (
            [stored("v", "MaterializedView", ".. TO d.t (x) AS .."), stored("t", "SummingMergeTree", REMEMBERS)],
            [],
        ),
        ([stored("v", "MaterializedView", ".. TO d.t (x) AS .."), stored("t", "ReplicatedMergeTree")], []),
        ([stored("v", "MaterializedView"), stored(".inner_id.00-11", "MergeTree")], [("d.v", "d..inner_id.00-11")]),
        ([stored("ours_mv", "MaterializedView", ".. TO d.t AS .."), stored("t", "MergeTree")], []),
        (
            [
                stored("v", "MaterializedView", ".. TO d.t (x) AS ..", ()),
                stored("t", "Null", feeds=(("d", "w"),)),
                stored("w", "MaterializedView", ".. TO d.u (x) AS .."),
                stored("u", "MergeTree"),
            ],
            [("d.w", "d.u")],
        ),
    ],
)
def test_a_view_of_others_that_would_count_twice(behind: list[StoredTable], found: list[tuple[str, str]]):
    """At any depth; the site's own tables that nothing of ours feeds are the site's business."""
    root = stored("entityMetricEvents", "MergeTree", OURS, ((behind[0].database, behind[0].name),))
    unrelated = [
        stored("pageViews_v2", "MergeTree", feeds=(("d", "of_the_site"),)),
        stored("of_the_site", "MaterializedView", ".. TO d.counts (x) AS .."),
        stored("counts", "MergeTree"),
    ]

    told = forgetful([root, *unrelated, *behind], "d", ["entityMetricEvents"], {"ours_mv"})
    assert [(one.view, one.table) for one in told] == found
