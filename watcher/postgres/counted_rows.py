"""What the rows of a table count for, read from PostgreSQL: as sums of ranges, and row by row."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Final, LiteralString, cast

from psycopg import sql

from watcher.model.checksum import CONSTANTS, ENTITY_FACTOR, KEY_FACTOR, KEY_TERM, PRIME, USER_FACTOR, metric_term
from watcher.model.counts import Count, CountedTable
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

Counted = tuple[int, int, int, int, int]
"""Key, number of the metric, entity, user, value."""

_STATEMENTS: Final = named_statements(
    files("watcher.postgres"),
    "counted_rows.sql",
    constants=CONSTANTS,
    run_time={"counted_of_keys", "counted_of_range", "counts_number", "key", "key_number", "source"},
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
        """Return the sum of each range of ``size`` keys, by key // size, of the keys from ``low`` to below ``high``.

        Both are multiples of ``size``.
        """
        bounds = {"low": low, "high": high, "size": size}
        sums = self._session.read(self._statements["checksums"], bounds)
        return {low // size + number: int(total) for number, total in sums}

    def page(self, after: int, until: int, most: int) -> tuple[int | None, int]:
        """Return the last key of a page of rows, and how many they are; None and 0 where there are no more.

        Args:
            after: key before the first.
            until: the highest key that may be among them.
            most: rows of a page.
        """
        ((last, rows),) = self._session.read(
            self._statements["page_end"], {"after": after, "until": until, "most": most}
        )
        return last, rows

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
        "counts_number": " + ".join(_number_of_count(table, count) for count in table.counts),
        "key_number": _number_of_key(key),
        "source": source,
        "key": key,
    }
    for name, words in filled.items():
        text = text.replace(f"{{{name}}}", words)
    return text


def _counted(table: CountedTable, condition: str) -> str:
    """Return a query of key, metric, entity, user and value of everything that some rows count for."""
    return " UNION ALL ".join(_of_count(table, count, condition) for count in table.counts)


def _number_of_key(key: str) -> str:
    """Return a key's part of a sum; it stands there twice, for PostgreSQL has no square."""
    mixed = f"(({key}::bigint %% {PRIME} * {KEY_FACTOR} + {KEY_TERM}) %% {PRIME})"
    return f"({mixed} * {mixed} %% {PRIME})"


def _number_of_count(table: CountedTable, count: Count) -> str:
    """Return what a row's entity, user, metric and value add to its part of a sum."""
    metric = metric_term(table.number(count.entity_type, count.metric_type))
    entity, user = (f"{_quoted(name)}::bigint" for name in (count.entity, count.user))
    number = f"({entity} * {ENTITY_FACTOR} + {user} * {USER_FACTOR} + {metric}) %% {PRIME}"
    if count.value != 1:
        number = f"{number} * ({_value(count)} %% {PRIME}) %% {PRIME}"
    condition = _condition(count)
    return f"(CASE WHEN {condition} THEN {number} ELSE 0 END)" if condition else f"({number})"


def _of_count(table: CountedTable, count: Count, rows: str) -> str:
    """Return a query of what some rows count for of one metric."""
    condition = _condition(count)
    return (
        f"SELECT {_quoted(table.key)}::bigint AS key, "  # noqa: S608
        f"{table.number(count.entity_type, count.metric_type)}::bigint AS metric, "
        f"{_quoted(count.entity)}::bigint AS entity, {_quoted(count.user)}::bigint AS who, {_value(count)} AS value "
        f"FROM {sql.Identifier(table.schema, table.name).as_string()} WHERE {rows}"
        + (f" AND {condition}" if condition else "")
    )


def _value(count: Count) -> str:
    return f"{count.value if isinstance(count.value, int) else _quoted(count.value)}::bigint"


def _condition(count: Count) -> str:
    """Return which rows count; empty: all do."""
    if count.where is None:
        return ""
    column, words = count.where
    return f"{_quoted(column)}::text = {sql.Literal(words).as_string()}"


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
