"""Votes in ClickHouse: the votes themselves, and the metric events that they are, each once."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Generic, TypeVar

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import ClickHouseLink
from watcher.clickhouse.planned_insert import PlannedInsert
from watcher.clickhouse.planned_table import IdentityT, Question
from watcher.model.drain_plan import VOTE_COLUMNS, VoteRow
from watcher.model.metric_columns import COLUMNS, CREATED_AT, SOURCE_ID, TYPES
from watcher.model.metric_row import MetricRow

RowT = TypeVar("RowT", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class CrucibleRows(Generic[RowT, IdentityT]):
    """A table with a row for each vote of a crucible, written by whoever drains."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    """Types of the columns; given, so that the client need not ask the server before each insert."""
    identity: Callable[[RowT], IdentityT]
    """From a row to what the query ``present`` answers of it: a value, or a tuple where there are several columns."""
    crucible: Callable[[RowT], int]
    time: Callable[[RowT], int]
    """When, in the unit of the query ``present``."""
    present: str
    """Named query: identities of the rows of some ``crucibles`` from ``since`` to ``until``."""
    views: Mapping[str, str]
    """Each counts votes by crucible."""
    shared: bool = True
    views_outlive_rows: bool = True

    def question(self, batches: Sequence[list[RowT]]) -> Question:
        """Ask for what the batches' crucibles have of the time that their rows span."""
        times = [*map(self.time, chain.from_iterable(batches))]
        crucibles = sorted(set(map(self.crucible, chain.from_iterable(batches))))
        return Question(self.present, {"crucibles": crucibles, "since": min(times), "until": max(times)})

    def identities(self, columns: Sequence[Sequence[Any]]) -> set[Any]:
        """Return the values of the answer's column, or its rows where it has several."""
        return set(columns[0]) if len(columns) == 1 else set(zip(*columns, strict=True))

    def without(self, rows: list[RowT], identities: AbstractSet[IdentityT]) -> list[RowT]:
        """Return the rows that are none of these."""
        identity = self.identity  # looked up once, for there are thousands of rows
        return [row for row in rows if identity(row) not in identities] if identities else rows

    def blocks(self, token: str, rows: list[RowT]) -> Iterator[tuple[str, list[RowT]]]:
        """Return the rows as they are: a plan of votes never crosses a month."""
        yield token, rows

    def send(self, client: Client, table: str, rows: list[RowT], settings: Mapping[str, Any]) -> None:
        """Insert the rows, column by column."""
        client.insert(
            table,
            list(zip(*rows, strict=True)),
            column_names=self.columns,
            column_type_names=self.types,
            column_oriented=True,
            settings=dict(settings),
        )

    def contribution(self, rows: list[RowT]) -> Mapping[int, int]:
        """Return how many of the rows each crucible has."""
        return Counter(map(self.crucible, rows))


VOTES: Final[CrucibleRows[VoteRow, tuple[int, int, int]]] = CrucibleRows(
    name="crucible_entry_rating",
    columns=VOTE_COLUMNS,
    types=("UInt32", "UInt32", "UInt32", "UInt32", "DateTime", "UInt32", "UInt64", "Int32", "Int32"),
    identity=lambda row: (row[0], row[5], row[6]),
    crucible=lambda row: row[0],
    time=lambda row: row[4],
    present="votes_present",
    views={
        "votes_by_crucible": "votes_raw",
        "votes_by_entry": "votes_raw",
        "votes_by_judge": "votes_raw",
        "votes_by_rating": "numbered_votes_raw",
    },
)
VOTE_EVENTS: Final[CrucibleRows[MetricRow, bytes]] = CrucibleRows(
    name="entityMetricEvents",
    columns=COLUMNS,
    types=TYPES,
    identity=lambda row: row[SOURCE_ID],
    crucible=lambda row: row[1],
    time=lambda row: row[CREATED_AT],
    present="vote_events_present",
    views=dict.fromkeys(("vote_events_in_totals", "vote_events_by_day", "vote_events_by_hour"), "vote_events_raw"),
)


class VoteTables:
    """The two tables that a vote goes to, over one connection; for one thread at a time.

    Args:
        connect: makes a client; called again after a failure.
        queries: the named queries of ``clickhouse_sql``.
    """

    def __init__(self, connect: Callable[[], Client], queries: Mapping[str, str]) -> None:
        self._link = ClickHouseLink(connect)
        self.votes = PlannedInsert(VOTES, self._link, queries)
        self.events = PlannedInsert(VOTE_EVENTS, self._link, queries)

    def close(self) -> None:
        """Close the connection to the neighbour."""
        self._link.close()
