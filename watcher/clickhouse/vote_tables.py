"""Votes in ClickHouse: the votes themselves, and the metric events that they are, each once."""

from collections.abc import Callable, Mapping
from typing import Final

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_table import PlannedTable, Shape
from watcher.model.drain_plan import VOTE_COLUMNS, VoteRow
from watcher.model.metric_columns import COLUMNS, CREATED_AT, SOURCE_ID, TYPES
from watcher.model.metric_row import MetricRow

VOTES: Final[Shape[VoteRow]] = Shape(
    table="crucible_entry_rating",
    columns=VOTE_COLUMNS,
    types=("UInt32", "UInt32", "UInt32", "UInt32", "DateTime", "UInt32", "UInt64", "Int32", "Int32"),
    key=lambda row: (row[0], row[5], row[6]),
    crucible=lambda row: row[0],
    time=lambda row: row[4],
    present="votes_present",
    whole_key=False,
    views={
        "votes_by_crucible": "votes_raw",
        "votes_by_entry": "votes_raw",
        "votes_by_judge": "votes_raw",
        "votes_by_rating": "numbered_votes_raw",
    },
)
EVENTS: Final[Shape[MetricRow]] = Shape(
    table="entityMetricEvents",
    columns=COLUMNS,
    types=TYPES,
    key=lambda row: row[SOURCE_ID],
    crucible=lambda row: row[1],
    time=lambda row: row[CREATED_AT],
    present="vote_events_present",
    whole_key=True,
    views=dict.fromkeys(("vote_events_in_totals", "vote_events_by_day", "vote_events_by_hour"), "vote_events_raw"),
)


class VoteTables:
    """The two tables that a vote goes to, over one connection; for one thread at a time.

    Args:
        connect: makes a client; called again after a failure.
        queries: the named queries of ``clickhouse_sql/queries/votes.sql`` and ``vote_views.sql``.
    """

    def __init__(self, connect: Callable[[], Client], queries: Mapping[str, str]) -> None:
        self._link = ClickHouseLink(connect)
        self.votes = PlannedTable(VOTES, self._link, queries)
        self.events = PlannedTable(EVENTS, self._link, queries)

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()
