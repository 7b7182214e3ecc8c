"""Votes and ratings as ClickHouse remembers them: what a crucible is rebuilt from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from watcher.model.replay import LoggedVote
from watcher.sinks.clickhouse import READ_SETTINGS
from watcher.sinks.clickhouse_link import ClickHouseLink


class LastVote(NamedTuple):
    """Where a crucible's votes end."""

    epoch: int
    seq: int
    """0 if there are none."""
    votes: int
    """Numbered votes there ever were, also those that are past their TTL."""


@dataclass(frozen=True, slots=True)
class Span:
    """Numbered votes of one epoch that are still there."""

    epoch: int
    first: int
    last: int
    votes: int


class VoteHistory:
    """The questions; for one thread at a time. Each raises ``TemporaryError`` while ClickHouse is away.

    Args:
        connect: makes a client; called again after a failure.
        queries: the named queries of ``clickhouse_sql/queries/rebuild.sql``.
    """

    def __init__(self, connect: Callable[[], Client], queries: Mapping[str, str]) -> None:
        self._link = ClickHouseLink(connect)
        self._queries = queries

    def last_vote(self, crucible_id: int) -> LastVote:
        """The crucible's last numbered vote."""
        (columns,) = self._rows("last_vote", crucible=crucible_id)
        return LastVote(*(int(column) for column in columns))

    def ratings(self, crucible_id: int, after: int, until: int) -> dict[int, tuple[int, int]]:
        """Entry id -> rating and number of votes, of the entries with ids above ``after`` and up to ``until``."""
        rows = self._rows("entry_ratings", crucible=crucible_id, after=after, until=until)
        return {entry_id: (rating, votes) for entry_id, rating, votes in rows}

    def spans(self, crucible_id: int) -> list[Span]:
        """Numbers of the votes that are there, by epoch in ascending order."""
        return [Span(*row) for row in self._rows("vote_spans", crucible=crucible_id)]

    def votes(self, crucible_id: int, span: Span) -> Iterator[LoggedVote]:
        """The votes of a span in their order; their times are not read."""
        columns = self._columns("votes_in_order", **_range(crucible_id, span))
        return zip(*columns, strict=True)  # type: ignore[return-value] # plain tuples: a fifth of the time of named ones

    def judged(self, crucible_id: int, span: Span) -> Iterator[tuple[int, Sequence[str]]]:
        """Judges of a span's votes, and what Redis keeps of each: field, value, field, value, ..."""
        columns = self._columns("judged_pairs", **_range(crucible_id, span))
        return zip(*columns, strict=True)

    def without_event(self, crucible_id: int) -> list[LoggedVote]:
        """Votes whose metric event is not there, in the order of time."""
        return [LoggedVote(*row) for row in self._rows("votes_without_event", crucible=crucible_id)]

    def close(self) -> None:
        """Give the connection back."""
        self._link.close()

    def _rows(self, query: str, **parameters: int) -> Sequence[Sequence[Any]]:
        with self._link.asking() as client:
            return client.query(self._queries[query], parameters=parameters, settings=READ_SETTINGS).result_rows

    def _columns(self, query: str, **parameters: int) -> Sequence[Sequence[Any]]:
        with self._link.asking() as client:
            return client.query(
                self._queries[query], parameters=parameters, settings=READ_SETTINGS, column_oriented=True
            ).result_columns


def _range(crucible_id: int, span: Span) -> dict[str, int]:
    return {"crucible": crucible_id, "epoch": span.epoch, "first": span.first, "last": span.last}
