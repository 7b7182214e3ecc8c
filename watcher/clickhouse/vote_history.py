"""Votes and ratings as ClickHouse remembers them: what a crucible is rebuilt from."""

import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import READ_SETTINGS, ClickHouseLink
from watcher.model.replay_rows import VoteRows
from watcher.model.vote import LoggedVote


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
    since: int
    """When the first of them counted; seconds since 1970."""
    until: int


class VoteHistory:
    """Asks about one crucible's votes; for one thread at a time. ``TemporaryError`` is raised while ClickHouse is away.

    Args:
        connect: makes a client; called again after a failure.
        queries: the named queries of ``clickhouse_sql/queries/rebuild.sql``.
    """

    def __init__(self, connect: Callable[[], Client], queries: Mapping[str, str]) -> None:
        self._link = ClickHouseLink(connect)
        self._queries = queries

    def last_vote(self, crucible_id: int) -> LastVote:
        """Return the crucible's last numbered vote."""
        (columns,) = self._rows("last_vote", crucible=crucible_id)
        return LastVote(*(int(column) for column in columns))

    def counted(self, crucible_ids: Sequence[int]) -> dict[int, int]:
        """Return how many numbered votes there ever were, also past their TTL, by crucible that has had any."""
        with self._link.asking() as client:
            rows = client.query(
                self._queries["votes_counted"], parameters={"crucibles": list(crucible_ids)}, settings=READ_SETTINGS
            ).result_rows
        return {row[0]: row[1] for row in rows}

    def rows_counted(self, crucible_ids: Sequence[int], since: int) -> dict[int, int]:
        """Return how many numbered votes have a row, by crucible that has any.

        Of crucibles with a vote from before ``since`` (seconds since 1970) how many there ever were: rows may be gone.
        """
        with self._link.asking() as client:
            asked = {"crucibles": list(crucible_ids), "since": since}
            rows = client.query(
                self._queries["vote_rows_counted"], parameters=asked, settings=READ_SETTINGS
            ).result_rows
        return {int(crucible_id): int(votes) for crucible_id, votes in rows}

    def numbers_there(
        self, crucible_id: int, epoch: int, numbers: Sequence[int], since: int, until: int
    ) -> Sequence[int]:
        """Return which of some numbers of an epoch are there, of votes from one second to another."""
        with self._link.asking() as client:
            rows = client.query(
                self._queries["vote_numbers_there"],
                parameters={
                    "crucible": crucible_id,
                    "epoch": epoch,
                    "numbers": list(numbers),
                    "since": since,
                    "until": until,
                },
                settings=READ_SETTINGS,
            ).result_rows
        return [int(seq) for (seq,) in rows]

    def ratings(self, crucible_id: int, after: int, until: int) -> dict[int, tuple[int, int]]:
        """Return rating and number of votes by entry id, of the entries above ``after`` and up to ``until``."""
        rows = self._rows("entry_ratings", crucible=crucible_id, after=after, until=until)
        return {entry_id: (rating, votes) for entry_id, rating, votes in rows}

    def spans(self, crucible_id: int, most: int) -> list[Span]:
        """Return which numbers of votes are there, in ascending order, in spans of at most so many."""
        return [Span(*row) for row in self._rows("vote_spans", crucible=crucible_id, most=most)]

    def votes(self, crucible_id: int, span: Span) -> VoteRows:
        """Return the votes of a span in their order."""
        with self._link.asking() as client:
            rows = client.raw_query(
                self._queries["votes_in_order"],
                parameters=_range(crucible_id, span),
                settings=READ_SETTINGS,
                fmt="RowBinary",
            )
        return VoteRows(span.epoch, rows)

    def votes_each(self, crucible_id: int) -> dict[int, int]:
        """Return by entry id how many of the votes that are there it was part of."""
        return dict(self._rows("votes_each", crucible=crucible_id))  # type: ignore[arg-type]

    def votes_each_in_order(self, crucible_id: int) -> "tuple[array[int], array[int]]":
        """Return what ``votes_each`` does as two columns, by ascending entry id; a million take eight megabytes."""
        with self._link.asking() as client:
            rows = client.raw_query(
                self._queries["votes_each_in_order"],
                parameters={"crucible": crucible_id},
                settings=READ_SETTINGS,
                fmt="RowBinary",
            )
        numbers = array("I", rows)
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers[::2], numbers[1::2]

    def judged(
        self, crucible_id: int, portion: int, portions: int, parts: int, prefix: str
    ) -> list[tuple[int, bytes, list[int]]]:
        """Return what some judges said of which pairs, as commands in Redis' protocol that write it down.

        Args:
            crucible_id: where.
            portion: which judges, from 0.
            portions: how many portions of judges there are.
            parts: how many parts to cut this one into.
            prefix: what the names of the judges' keys begin with; the judge's id follows.

        Returns:
            Number of pairs, commands and judges, of each part.
        """
        rows = self._rows(
            "judged_pairs", crucible=crucible_id, portion=portion, portions=portions, parts=parts, prefix=prefix
        )
        return [(pairs, commands, judges) for pairs, commands, judges in rows]

    def without_event(self, crucible_id: int, span: Span) -> list[LoggedVote]:
        """Return the votes of a span whose metric event is not there, in the order of time."""
        return [LoggedVote(*row) for row in self._rows("votes_without_event", **_range(crucible_id, span))]

    def close(self) -> None:
        """Close the connection to the neighbour."""
        self._link.close()

    def _rows(self, query: str, **parameters: int | str) -> Sequence[Sequence[Any]]:
        with self._link.asking() as client:
            return client.query(
                self._queries[query], parameters=parameters, settings=READ_SETTINGS, query_formats={"String": "bytes"}
            ).result_rows


def _range(crucible_id: int, span: Span) -> dict[str, Any]:
    return {
        "crucible": crucible_id,
        "epoch": span.epoch,
        "first": span.first,
        "last": span.last,
        "since": span.since,
        "until": span.until,
    }
