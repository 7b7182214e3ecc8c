"""What an earlier version may have begun is gone on with: tokens and names of staging tables never change."""

from types import SimpleNamespace
from typing import Any

import pytest

from watcher.clickhouse.change_rows import CHANGES
from watcher.clickhouse.planned_table import PlannedTable
from watcher.clickhouse.queries import queries
from watcher.clickhouse.staging import Staging
from watcher.clickhouse.vote_tables import VOTE_EVENTS, VOTES
from watcher.model.drain_plan import DrainPlan, Range, event_rows, vote_rows
from watcher.model.metric_rows import MetricRows
from watcher.model.plan import Plan
from watcher.model.vote import LoggedVote

OCTOBER, NOVEMBER = 1_761_955_199_999, 1_761_955_200_000
VOTE = {42: [LoggedVote(1, 5, 7, 8, 3, OCTOBER, 1516, 1484)]}
PLAN, DRAIN = Plan("nVj2", 3, 10, 25), DrainPlan((Range(42, 1, 5, 9),))


def _changes(*times: int) -> MetricRows:
    return MetricRows(("Crucible", 42, 7, "Entry", 1, at, "CrucibleEntry", 9, 4096, bytes(16), 0) for at in times)


def test_each_month_of_changes_has_a_token() -> None:
    """The plan's name and the month, so that each block is in one partition."""
    blocks = CHANGES.blocks(PLAN.token, _changes(NOVEMBER, OCTOBER, NOVEMBER))

    assert [(token, len(rows)) for token, rows in blocks] == [("nVj2/3/10/25/202510", 1), ("nVj2/3/10/25/202511", 2)]


@pytest.mark.parametrize(("table", "rows"), [(VOTES, vote_rows(VOTE)), (VOTE_EVENTS, event_rows(VOTE))])
def test_votes_have_one_token_in_both_tables(table: PlannedTable[Any, Any], rows: list[Any]) -> None:
    """It is made of the plan as it lies in Redis."""
    assert list(table.blocks(DRAIN.token, rows)) == [("votes/ddb9430f95f7d3ae9bf0317c55ad1f0b", rows)]


class Server:
    """A client that answers with one partition, and notes what it was asked."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def command(self, text: str) -> None:
        self.said.append(" ".join(line for line in text.splitlines() if not line.startswith("--")))

    def query(self, text: str, parameters: dict[str, str] | None = None) -> SimpleNamespace:
        return SimpleNamespace(result_rows=[("202510",)] if parameters else [("old_staging",)])

    def insert(self, table: str, *_: Any, settings: dict[str, Any], **__: Any) -> None:
        self.said.append(f"insert {table} {settings.get('insert_deduplication_token')}")

    def raw_insert(self, table: str, _: Any, __: Any, settings: dict[str, Any], **___: Any) -> None:
        self.insert(table, settings=settings)


@pytest.mark.parametrize(
    ("table", "token", "rows", "name", "said"),
    [
        (
            CHANGES,
            PLAN.token,
            _changes(OCTOBER),
            "2c325d6c6c465d3c",
            """CREATE TABLE IF NOT EXISTS entityMetricEvents_staging_{name} AS entityMetricEvents
TRUNCATE TABLE IF EXISTS entityMetricEvents_staging_{name}
insert entityMetricEvents_staging_{name} None
send
ALTER TABLE entityMetricEvents ATTACH PARTITION ID '202510' FROM entityMetricEvents_staging_{name}
DROP TABLE IF EXISTS entityMetricEvents_staging_{name}""",
        ),
        (
            VOTES,
            DRAIN.token,
            vote_rows(VOTE),
            "75d48ffdf76b7fde",
            """CREATE TABLE IF NOT EXISTS crucible_entry_rating_vote_staging_{name} AS crucible_entry_rating
insert crucible_entry_rating_vote_staging_{name} votes/ddb9430f95f7d3ae9bf0317c55ad1f0b
send
ALTER TABLE crucible_entry_rating_vote_staging_{name} MOVE PARTITION ID '202510' TO TABLE crucible_entry_rating
DROP TABLE IF EXISTS old_staging""",
        ),
    ],
    ids=["changes", "votes"],
)
def test_lost_rows_are_staged_where_another_version_would(
    table: PlannedTable[Any, Any], token: str, rows: Any, name: str, said: str
) -> None:
    """Two versions that bring in the same rows at once must meet in one staging table."""
    server = Server()
    Staging(table, queries()).bring(server, token, rows, lambda: server.said.append("send"))  # type: ignore[arg-type]

    assert server.said == ["send", *said.replace("{name}", name).splitlines()]
