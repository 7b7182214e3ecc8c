"""SQL of what a view should hold, and of what it holds: to compare the two, or to make a view anew.

A table may let go of rows that its views go on counting. Of the keys that such rows were of nothing can be told from
the table any more, so they are left out of comparisons, and taken over as they are by whoever makes a view anew.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.exceptions import DatabaseError

from watcher.clickhouse.expiry import UNKNOWN_COLUMN, kept_since
from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.deployment import Deployment
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import View

ROWS_PER_BUCKET: Final = 5_000_000
"""Smaller: the raw table is read more often. Larger: a bucket's groups may not fit into memory."""
MOST_BUCKETS: Final = 512
_NEVER_SECONDS: Final = 2**32 - 1
"""A time past every key's: the last second that ClickHouse's ``DateTime`` can hold."""
_AGGREGATE: Final = re.compile(r"(?P<simple>Simple)?AggregateFunction\((?P<function>\w+)")


class _Outlived(NamedTuple):
    """How the views of a table tell which of their keys are older than its rows."""

    raw: str
    """Columns of the table."""
    held: str
    """The same columns of a view."""
    query: str
    """Named query of those that had something before ``@cutoff``, seconds since 1970."""


_OUTLIVED: Final = {
    "entityMetricEvents": _Outlived(
        "(entityType, entityId, metricType)", "(entity_type, entity_id, metric_type)", "metrics_from_before"
    ),
    "crucible_entry_rating": _Outlived("crucible_id", "crucible_id", "crucibles_from_before"),
}


@dataclass(frozen=True, slots=True)
class Contents:
    """SQL of a view's contents, at one server.

    Args:
        server: where.
        view: which.
        cutoff: keys that had something before this time cannot be told from the table, in seconds since 1970; None:
            all can.
        columns: name and type of the target's columns, in their order.
    """

    server: Server
    view: View
    cutoff: int | None
    columns: tuple[tuple[str, str], ...]

    @property
    def keys(self) -> list[str]:
        """Return the view's columns that make its key: the first of its fingerprint."""
        return [name.strip() for name in self.view.fingerprint.split(",")][: self.view.key.count(",") + 1]

    @property
    def sums(self) -> list[str]:
        """Return the view's columns that add up."""
        return [name for name, kind in self.columns if kind.startswith("SimpleAggregateFunction(sum")]

    def expected(self, condition: str = "1", bucket: str = "toUInt16(0)") -> str:
        """Return what the table's rows come to, of all keys that can be told.

        Args:
            condition: on the table's columns.
            bucket: number of the bucket, as SQL.
        """
        if self.cutoff is not None:
            outlived = _OUTLIVED[self.view.source]
            condition += f" AND {outlived.raw} NOT IN ({self._before(outlived)})"
        return self.server.render(self.view.select, rows=condition, bucket=bucket)

    def held(self, condition: str = "1", *, outlived: bool = False, bucket: str = "toUInt16(0)") -> str:
        """Return what the view shows, in the order of its columns.

        Args:
            condition: on the view's columns, after ``held.``.
            outlived: of the keys that cannot be told from the table, instead of the others.
            bucket: as for ``expected``.
        """
        if self.cutoff is not None:
            told = _OUTLIVED[self.view.source]
            names = ", ".join(f"held.{name.strip()}" for name in told.held.strip("()").split(","))
            condition += f" AND ({names}) {'' if outlived else 'NOT '}IN ({self._before(told)})"
        found = {name: _AGGREGATE.match(kind) for name, kind in self.columns if name != "bucket"}
        merged = ", ".join(
            f"held.{name} AS {name}"
            if one is None
            else f"{one['function']}{'' if one['simple'] else 'MergeState'}(held.{name}) AS {name}"
            for name, one in found.items()
        )
        grouped = ", ".join(f"held.{name}" for name, one in found.items() if one is None)
        return self.server.render(
            queries()["held_contents"],
            merged=merged,
            bucket=bucket,
            table=self.view.target,
            condition=condition,
            grouped=grouped,
        )

    def slice(self, number: int, of: int, *, held: bool = False) -> str:
        """Return the condition of one of several parts of the keys, of the table's rows or of what the view holds."""
        if of == 1:
            return "1"
        key = ", ".join(f"held.{name}" for name in self.keys) if held else self.view.key
        return rows_of_slice(self.server.deployment, key, number, of)

    def slices(self) -> int:
        """Return into how many parts a comparison or a fill is to be cut, for its memory."""
        rows = self.server.number(self.server.render(queries()["count_rows"], table=self.view.source))
        return max(1, min(MOST_BUCKETS, -(-rows // ROWS_PER_BUCKET)))

    def _before(self, outlived: _Outlived) -> str:
        return self.server.render(queries()[outlived.query], cutoff=str(self.cutoff))


def rows_from(deployment: Deployment, view: View, boundary: int | str) -> str:
    """Return the condition of rows that reach a view by themselves: from a moment on, in milliseconds since 1970."""
    return deployment.render(queries()["rows_from"], {"stamp": view.stamp, "boundary": str(boundary)})


def rows_before(deployment: Deployment, view: View, boundary: int | str) -> str:
    """Return the condition of rows from before that moment, which a view is filled with."""
    return deployment.render(queries()["rows_before"], {"stamp": view.stamp, "boundary": str(boundary)})


def rows_of_slice(deployment: Deployment, key: str, number: int, of: int) -> str:
    """Return the condition of one of several parts of the keys, counted from 0."""
    return deployment.render(queries()["rows_of_slice"], {"key": key, "slices": str(of), "number": str(number)})


def contents(server: Server, view: View) -> Contents:
    """Return the contents of a view as they can be told now."""
    columns = server.ask(queries()["columns_of_table"], table=view.target)
    return Contents(server, view, _cutoff(server, view), tuple((str(name), str(kind)) for name, kind, _ in columns))


def _cutoff(server: Server, view: View) -> int | None:
    """Return the time that something of a key has to be from to be told from the table, in seconds since 1970."""

    def ask(query: str, parameters: dict[str, Any], *, column: str = "", expression: str = "") -> list[tuple[Any, ...]]:
        text = queries()[query].replace("{column}", column).replace("{expression}", expression)
        return server.ask(text, **parameters)

    try:
        since = kept_since(ask, view.source)
    except DatabaseError as error:
        if error.code != UNKNOWN_COLUMN:
            raise
        return _NEVER_SECONDS  # rows go by another rule than their age: no key can be told
    return None if since is None else int(since.timestamp())
