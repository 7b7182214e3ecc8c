"""What a planned insert has to know of a table: the description that :class:`PlannedInsert` is parameterised by."""

from collections.abc import Hashable, Iterable, Mapping, Sequence, Sized
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol, TypeVar

from clickhouse_connect.driver.client import Client

RowsT = TypeVar("RowsT", bound=Sized)
"""Rows of a plan, in whatever form the table's writers gather them."""
IdentityT = TypeVar("IdentityT", bound=Hashable)
"""What makes a row that row."""


class Question(NamedTuple):
    """A named query with what it is asked of."""

    query: str
    parameters: dict[str, Any]
    ranges: str = ""
    """SQL in the place of ``{ranges}``; made of names of parameters alone."""


class PlannedTable(Protocol[RowsT, IdentityT]):
    """A table that takes plans, each a block of rows under the plan's token."""

    @property
    def name(self) -> str:
        """Return the table's name in ClickHouse."""
        ...

    @property
    def shared(self) -> bool:
        """Return whether several processes may carry out the same plan at once, as they do with votes."""
        ...

    @property
    def views(self) -> Mapping[str, str]:
        """Return for each view the named query of its totals by key, and the one that reads the same from the table."""
        ...

    @property
    def views_outlive_rows(self) -> bool:
        """Return whether a view may show more than the table because rows are past their TTL."""
        ...

    def question(self, batches: Sequence[RowsT]) -> Question:
        """Return the question that is answered with the identities of the batches' rows, and of others near them."""
        ...

    def identities(self, columns: Sequence[Sequence[Any]]) -> set[IdentityT]:
        """Return the identities that the question's answer names; no columns are no answer, and no identities."""
        ...

    def without(self, rows: RowsT, identities: AbstractSet[IdentityT]) -> RowsT:
        """Return the rows that are none of these; the very same object where there are no identities."""
        ...

    def blocks(self, token: str, rows: RowsT) -> Iterable[tuple[str, RowsT]]:
        """Return the rows as blocks of one partition each, which are there as a whole or not at all, by token."""
        ...

    def send(self, client: Client, table: str, rows: RowsT, settings: Mapping[str, Any]) -> None:
        """Insert rows into this table, or into one of the same shape, in one request."""
        ...

    def contribution(self, rows: RowsT) -> Mapping[Any, int]:
        """Return what the rows add to the totals of each key of the views."""
        ...
