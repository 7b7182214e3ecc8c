"""From which day on ClickHouse has every row of a table, where the table's TTL takes old ones away.

A TTL is carried out when parts are merged: of a month that is partly expired some rows are gone, and others are still
there. So only days are looked at that are wholly kept for two days more: a comparison that takes a while, and clocks
that differ, change nothing.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

SPARE_DAYS: Final = 2
"""Days that are left out though they are kept. Fewer: a comparison over midnight sees rows go."""
UNKNOWN_COLUMN: Final = 47
"""ClickHouse's code for an expression with a name that it does not know."""
_MADE: Final = {"entityMetricEvents": "createdAt", "crucible_entry_rating": "created_at"}
"""For each table the column that says when a row was made."""
_NOT_TAKEN_AWAY: Final = re.compile(r"\b(TO (DISK|VOLUME)|RECOMPRESS|GROUP BY)\b")


class Asks(Protocol):
    """Answers named queries, as :class:`watcher.clickhouse.reads.ClickHouseReads` does."""

    def __call__(
        self, query: str, parameters: dict[str, Any], *, column: str = "", expression: str = ""
    ) -> Sequence[Sequence[Any]]:
        """Return the rows of a query, with these in the places that it has for them."""
        ...


def kept_since(ask: Asks, table: str) -> datetime | None:
    """Return the beginning of the first day of which every row of a table is there, in UTC; None: all are kept.

    Args:
        ask: answers queries.
        table: which: one whose views, or whose rows, are compared.

    Raises:
        RefusedError: the TTL asks for more than when a row was made. (Whoever asks by a client of its own gets the
            client's error, with the code :data:`UNKNOWN_COLUMN`.)
        TemporaryError: ClickHouse is away.
    """
    ((engine,),) = ask("engine_of_table", {"name": table})
    days = [
        datetime.fromtimestamp(int(first), UTC)
        for expression in expiries(str(engine))
        for ((first,),) in [ask("first_day_kept", {}, column=_MADE[table], expression=expression)]
    ]
    return max(days) + timedelta(days=SPARE_DAYS) if days else None


def expiries(engine: str) -> Iterator[str]:
    """Yield the expressions of a table's TTL that take rows away: each says when a row goes.

    >>> list(expiries("MergeTree ORDER BY a TTL createdAt + toIntervalDay(90), b TO DISK 'cold' SETTINGS x = 1"))
    ['createdAt + toIntervalDay(90)']
    >>> list(expiries("MergeTree ORDER BY a SETTINGS x = 1"))
    []
    """
    found = re.search(r"\sTTL\s(.+?)(?:\sSETTINGS\s.*)?$", engine, re.DOTALL)
    for element in _divided(found[1]) if found else ():
        if not _NOT_TAKEN_AWAY.search(element):
            yield re.split(r"\s(?:DELETE|WHERE)\b", element)[0].strip()


def _divided(text: str) -> Iterator[str]:
    """Yield what stands between the commas of a list, but for those in parentheses."""
    depth, begun = 0, 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            yield text[begun:at].strip()
            begun = at + 1
    yield text[begun:].strip()
