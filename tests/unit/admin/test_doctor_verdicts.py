"""What the doctor makes of answers that a healthy server on this machine never gives."""

from typing import TYPE_CHECKING, cast

import pytest

from watcher.admin.doctor.clickhouse import block_size
from watcher.admin.doctor.findings import Level
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.rights import rights
from watcher.admin.doctor.postgres.server import server, wal_level
from watcher.admin.doctor.postgres.slot import MAX_RETAINED_BYTES, slot
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
        ([], Level.FAIL, "crucible connector apply"),
        ([(True, "lost", None)], Level.FAIL, "compare with PostgreSQL"),
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


@pytest.mark.parametrize(
    ("rows", "lacking"),
    [
        ([("CrucibleEntry", False)], "SELECT on CrucibleEntry"),
        ([], "the schema crucible_watcher, which does not exist"),
        ([(False, True)], "USAGE and CREATE on schema crucible_watcher"),
    ],
)
def test_a_right_that_is_missing_is_named(rows: list[tuple[object, ...]], lacking: str):
    """With the file that grants it."""
    (found,) = rights(answering(*rows), NAMES)

    assert (found.level, lacking in found.found, "watcher.sql" in found.advice) == (Level.FAIL, True, True)


def test_a_standby_is_a_fault():
    """It takes no writes, and so no markers."""
    (found,) = server(answering(("16.4", True)))

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
