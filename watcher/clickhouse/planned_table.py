"""A ClickHouse table that takes plans, a block of rows each, from several processes that do not know each other.

Whoever carries out a plan sends the same rows under the same token, so it does not matter how many do, nor when. What
the token does not see to is seen to by asking: rows are looked for before they are trimmed from where they came from.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from clickhouse_connect.driver.client import Client

from watcher.clickhouse.link import INSERT_SETTINGS, READ_SETTINGS, ClickHouseLink
from watcher.clickhouse.view_gaps import complete, settled_gap
from watcher.model.errors import SinkDisagreesError
from watcher.model.view_gaps import Gap

RowT = TypeVar("RowT", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Shape(Generic[RowT]):
    """What there is to know of a table."""

    table: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    """Types of the columns; given, so that the client need not ask the server before each insert."""
    key: Callable[[RowT], Hashable]
    """What makes a row that row."""
    crucible: Callable[[RowT], int]
    time: Callable[[RowT], int]
    """When, in the unit of the question ``present``."""
    present: str
    """Named query: keys of the rows of some ``crucibles`` from ``since`` to ``until``, and of others near them."""
    whole_key: bool
    """Whether the query answers the key in one column, not in several."""
    views: Mapping[str, str]
    """Named queries of the views' rows a crucible, each with the one that reads the same from the raw table."""


class PlannedTable(Generic[RowT]):
    """One table.

    Args:
        shape: the table.
        link: connection; may be shared by tables of one thread.
        queries: the named queries.
    """

    def __init__(self, shape: Shape[RowT], link: ClickHouseLink, queries: Mapping[str, str]) -> None:
        self._shape, self._link, self._queries = shape, link, queries

    @property
    def name(self) -> str:
        """The table's."""
        return self._shape.table

    def missing(self, rows: list[RowT]) -> list[RowT]:
        """The rows that are not there yet: one question.

        Raises:
            TemporaryError: the server is away.
        """
        if not rows:
            return []
        shape = self._shape
        times = [shape.time(row) for row in rows]
        parameters = {"crucibles": _crucibles(shape, rows), "since": min(times), "until": max(times)}
        with self._link.asking() as client:
            columns = client.query(
                self._queries[shape.present],
                parameters=parameters,
                settings=READ_SETTINGS,
                query_formats={"FixedString": "native"},
            ).result_columns
        if not columns:
            return rows
        there: set[Hashable] = set(columns[0]) if shape.whole_key else set(zip(*columns, strict=True))
        return [row for row in rows if shape.key(row) not in there]

    def insert(self, token: str, rows: list[RowT]) -> None:
        """Insert rows of a plan as one block.

        Raises:
            TemporaryError: the outcome is unknown or the server is away.
        """
        if rows:
            with self._link.asking() as client:
                self._insert(client, self._shape.table, token, rows)

    def bring(self, token: str, rows: list[RowT]) -> None:
        """Bring rows into the table that it lost after it took their token, without firing its views.

        The insert under the token has given the views theirs. Several may do this at once: the rows are staged as one
        part under the token, and a part is moved once.

        Raises:
            TemporaryError: the outcome is unknown or the server is away.
            SinkDisagreesError: they are not there afterwards either.
        """
        staging = f"{self.name}_vote_staging_{blake2b(token.encode(), digest_size=8).hexdigest()}"
        names = {"{staging}": staging, "{table}": self.name}
        with self._link.asking() as client:
            client.command(_filled(self._queries["create_vote_staging"], names))
            self._insert(client, staging, token, rows)
            for (partition,) in client.query(
                self._queries["staged_vote_partitions"], parameters={"staging_name": staging}
            ).result_rows:
                move = _filled(self._queries["move_staged_votes"], names | {"{partition}": f"'{partition}'"})
                client.command(move)
            # Not this one: somebody slower than us would make it anew, and stage and move the rows once more.
            for (old,) in client.query(self._queries["old_vote_staging"]).result_rows:
                client.command(f"DROP TABLE IF EXISTS {old}")
        if still := self.missing(rows):
            raise SinkDisagreesError(
                f"{len(still)} rows of plan {token} are not in {self.name} after two ways of writing them; run "
                "`crucible doctor`"
            )

    def complete_views(self, token: str, rows: list[RowT]) -> None:
        """Send a plan again where a view lacks exactly its rows: the table drops them, that view takes them.

        Raises:
            TemporaryError: the server is away.
            SinkDisagreesError: a view shows something else than the table, and that did not help.
        """
        plan: dict[int, int] = {}
        for row in rows:
            crucible_id = self._shape.crucible(row)
            plan[crucible_id] = plan.get(crucible_id, 0) + 1

        def known(raw: Mapping[int, int], shown: Mapping[int, int]) -> dict[int, int]:
            """A view that has more remembers votes that are past the table's TTL: nothing to compare with."""
            return {one: votes for one, votes in plan.items() if raw.get(one, 0) >= shown.get(one, 0)}

        def gaps() -> dict[str, Gap]:
            counts = partial(self._counts, crucible_ids=list(plan))
            return {
                view: settled_gap(partial(counts, raw), partial(counts, view), known)
                for view, raw in self._shape.views.items()
            }

        complete(gaps, lambda: self.insert(token, rows), self.name, token)

    def _counts(self, query: str, crucible_ids: list[int]) -> dict[int, int]:
        with self._link.asking() as client:
            answer = client.query(self._queries[query], parameters={"crucibles": crucible_ids}, settings=READ_SETTINGS)
            return {row[0]: row[1] for row in answer.result_rows}

    def _insert(self, client: Client, table: str, token: str, rows: list[RowT]) -> None:
        client.insert(
            table,
            list(zip(*rows, strict=True)),
            column_names=self._shape.columns,
            column_type_names=self._shape.types,
            column_oriented=True,
            settings={**INSERT_SETTINGS, "insert_deduplication_token": token},
        )


def _crucibles(shape: Shape[RowT], rows: Sequence[RowT]) -> list[int]:
    return sorted({shape.crucible(row) for row in rows})


def _filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text
