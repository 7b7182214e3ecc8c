"""What the rows of a table count for, read from PostgreSQL: as sums of ranges, and row by row."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Final, LiteralString, cast

from psycopg import sql

from watcher.model.checksum import FACTOR, PRIME
from watcher.model.counts import Count, CountedTable
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

Counted = tuple[int, int, int, int, int]
"""Key, number of the metric from 1, entity, user, value."""

_STATEMENTS: Final = named_statements(
    files("watcher.postgres"),
    "counted_rows.sql",
    constants={"PRIME": PRIME, "FACTOR": FACTOR},
    run_time={"counted_of_keys", "counted_of_range", "key", "source"},
)


class CountedRows:
    """The rows of one table.

    Args:
        session: a connection; each question reads and changes nothing.
        table: which, and what its rows count for.
    """

    def __init__(self, session: Session, table: CountedTable) -> None:
        self._session = session
        self._statements = {name: _for_table(text, table) for name, text in _STATEMENTS.items()}

    def span(self) -> tuple[int, int] | None:
        """Return the lowest and the highest key; None for an empty table.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: PostgreSQL is away.
        """
        ((low, high),) = self._session.read(self._statements["key_span"])
        return None if low is None else (low, high)

    def checksums(self, low: int, high: int, size: int) -> dict[int, int]:
        """Return the sum of each range of ``size`` keys, by key // size, of the keys from ``low`` to below ``high``."""
        bounds = {"low": low, "high": high, "size": size}
        return {number: int(total) for number, total in self._session.read(self._statements["checksums"], bounds)}

    def of_range(self, low: int, high: int) -> Iterator[Counted]:
        """Yield what the rows with keys from ``low`` to below ``high`` count for."""
        yield from cast(
            "Iterable[Counted]", self._session.read(self._statements["rows_of_range"], {"low": low, "high": high})
        )

    def of_keys(self, keys: Sequence[int]) -> Iterator[Counted]:
        """Yield what the rows with these keys count for now."""
        yield from cast("Iterable[Counted]", self._session.read(self._statements["rows_of_keys"], {"keys": list(keys)}))


def _for_table(text: str, table: CountedTable) -> LiteralString:
    """Return a statement about a table; its names are those of our own registry, and are quoted all the same."""
    key, source = _quoted(table.key), sql.Identifier(table.schema, table.name).as_string()
    filled = {
        # On the column as it is, so that its index is used.
        "counted_of_range": _counted(table, f"{key} >= %(low)s AND {key} < %(high)s"),
        "counted_of_keys": _counted(table, f"{key} = ANY(%(keys)s)"),
        "source": source,
        "key": key,
    }
    for name, words in filled.items():
        text = text.replace(f"{{{name}}}", words)
    return text


def _counted(table: CountedTable, condition: str) -> str:
    """Return a query of key, metric, entity, user and value of everything that some rows count for."""
    return " UNION ALL ".join(_of_count(table, count, condition) for count in table.counts)


def _of_count(table: CountedTable, count: Count, condition: str) -> str:
    value = str(count.value) if isinstance(count.value, int) else _quoted(count.value)
    if count.where is not None:
        column, words = count.where
        condition += f" AND {_quoted(column)}::text = {sql.Literal(words).as_string()}"
    return (
        f"SELECT {_quoted(table.key)}::bigint AS key, {table.metrics.index(count.metric) + 1}::bigint AS metric, "  # noqa: S608
        f"{_quoted(count.entity)}::bigint AS entity, {_quoted(count.user)}::bigint AS who, {value}::bigint AS value "
        f"FROM {sql.Identifier(table.schema, table.name).as_string()} WHERE {condition}"
    )


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
