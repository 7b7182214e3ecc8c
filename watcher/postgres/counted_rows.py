"""What the rows of a table count for, read from PostgreSQL: as sums of ranges, and row by row."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final, LiteralString, cast

from psycopg import sql

from watcher.model.checksum import CONSTANTS, ENTITY_FACTOR, KEY_FACTOR, KEY_TERM, PRIME, USER_FACTOR, metric_term
from watcher.model.counts import Count, CountedTable, TimeColumn
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

Counted = tuple[int, int, int, int, int]
"""Key, number of the metric, entity, user, value."""
TOO_OLD: Final = 0
"""Number in the place of a metric's: the row is from before what is compared."""
QUESTION_SECONDS: Final = 30.0
"""That PostgreSQL has for a question, and that a question waits for another one to end. Fewer: a busy server gives up
where it only needs time; more: it is burdened longer by one question."""
READER: Final = "rows compared"
"""Lock of who asks: one question at a time, whoever compares."""

_STATEMENTS: Final = named_statements(
    files("watcher.postgres"),
    "counted_rows.sql",
    constants=CONSTANTS,
    run_time={
        *("chosen", "counted_of_keys", "counted_of_range", "counts_number"),
        *("kept", "key", "key_number", "source"),
    },
)


class CountedRows:
    """The rows of one table.

    Every question reads only, has :data:`QUESTION_SECONDS`, and waits until no other one of any process is under way.

    Args:
        session: a connection to the database or to a replica of it.
        table: which, and what its rows count for.
    """

    def __init__(self, session: Session, table: CountedTable) -> None:
        self._session, self._table = session, table

    def span(self) -> tuple[int, int] | None:
        """Return the lowest and the highest key; None for an empty table.

        Raises:
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: PostgreSQL is away.
        """
        ((low, high),) = self._read("key_span", {})
        return None if low is None else (low, high)

    def checksums(
        self, low: int, high: int, size: int, kept_since: datetime | None = None
    ) -> dict[int, tuple[int, int]]:
        """Return the sum of each range of ``size`` keys, by key // size, and how many rows of it are too old.

        Args:
            low: the first key, a multiple of ``size``.
            high: the key behind the last one, a multiple as well.
            size: keys of a range.
            kept_since: rows that were made before are too old: they are in no sum.

        Raises:
            StatementTimeoutError: they are too many for one question.
            PostgresRefusedError: the table, or the right to read it, is missing.
            TemporaryError: PostgreSQL is away.
        """
        sums = self._read("checksums", {"low": low, "high": high, "size": size}, kept_since)
        return {low // size + number: (int(total), too_old) for number, total, too_old in sums}

    def page(self, after: int, until: int, most: int) -> tuple[int | None, int]:
        """Return the last key of a page of rows, and how many they are; None and 0 where there are no more.

        Args:
            after: key before the first.
            until: the highest key that may be among them.
            most: rows of a page.
        """
        ((last, rows),) = self._read("page_end", {"after": after, "until": until, "most": most})
        return last, rows

    def of_range(self, low: int, high: int, kept_since: datetime | None = None) -> list[Counted]:
        """Return what the rows with keys from ``low`` to below ``high`` count for, :data:`TOO_OLD` if they are."""
        return self._counted("rows_of_range", {"low": low, "high": high}, kept_since)

    def of_keys(self, keys: Sequence[int], kept_since: datetime | None = None) -> list[Counted]:
        """Return what the rows with these keys count for now, :data:`TOO_OLD` if they are."""
        return self._counted("rows_of_keys", {"keys": list(keys)}, kept_since)

    def keys_chosen(self, low: int, high: int, crucible: int | None, since: datetime | None) -> Iterator[int]:
        """Yield the keys, from ``low`` to ``high``, of a crucible's rows that were made or changed since a time.

        None leaves either of both open. A table that does not say when its rows were made or changed has none since.
        """
        for (key,) in self._read(
            "keys_chosen", {"low": low, "high": high}, chosen=_chosen(self._table, crucible, since)
        ):
            yield key

    def _counted(self, name: str, values: Mapping[str, object], kept_since: datetime | None) -> list[Counted]:
        return cast("list[Counted]", self._read(name, values, kept_since))

    def _read(
        self, name: str, values: Mapping[str, object], kept_since: datetime | None = None, chosen: str = ""
    ) -> list[tuple[Any, ...]]:
        text = _for_table(_STATEMENTS[name], self._table, kept_since, chosen)
        session = self._session
        with session.patient(QUESTION_SECONDS), session.together():
            session.run("SET TRANSACTION READ ONLY")
            session.lock(READER)
            return session.read(text, values)


def _for_table(text: str, table: CountedTable, kept_since: datetime | None, chosen: str) -> LiteralString:
    """Return a statement about a table; its names are those of our own registry, and are quoted all the same."""
    key, source = _quoted(table.key), sql.Identifier(table.schema, table.name).as_string()
    kept = "true" if kept_since is None else _from(table, table.made, kept_since)
    filled = {
        # On the column as it is, so that its index is used.
        "counted_of_range": _counted(table, f"{key} >= %(low)s AND {key} < %(high)s", kept),
        "counted_of_keys": _counted(table, f"{key} = ANY(%(keys)s)", kept),
        "counts_number": " + ".join(_number_of_count(table, count) for count in table.counts),
        "key_number": _number_of_key(key),
        "source": source,
        "key": key,
        "kept": kept,
        "chosen": chosen,
    }
    for name, words in filled.items():
        text = text.replace(f"{{{name}}}", words)
    return text


def _chosen(table: CountedTable, crucible: int | None, since: datetime | None) -> str:
    conditions = []
    if crucible is not None:
        conditions.append(f"{_quoted(table.crucible)} = {int(crucible)}" if table.crucible else "false")
    if since is not None:
        conditions.append(f"({_from(table, table.made, since)} OR {_from(table, table.changed, since)})")
    return " AND ".join(conditions) or "true"


def _from(table: CountedTable, moment: TimeColumn | None, since: datetime) -> str:
    """Return the condition that a moment of a row is a time or later; one that is not known is none before it."""
    if moment is None:
        return "false"
    # Of no type of its own, so that it has the column's: a timestamp without a zone is in UTC.
    time = sql.Literal(f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00").as_string()
    if moment.table is None:
        return f"(coalesce({_quoted(moment.column)}, 'infinity') >= {time})"
    of = sql.Identifier(*moment.table).as_string()
    found = f"SELECT {_quoted(moment.column)} FROM {of} other WHERE other.{_quoted(moment.key)} = {_quoted(table.key)}"  # noqa: S608
    return f"(coalesce(({found}), 'infinity') >= {time})"


def _counted(table: CountedTable, rows: str, kept: str) -> str:
    """Return a query of key, metric, entity, user and value of everything that some rows count for."""
    queries = [_of_count(table, count, f"{rows} AND {kept}") for count in table.counts]
    if kept != "true":
        source = sql.Identifier(table.schema, table.name).as_string()
        old = f"{_quoted(table.key)}::bigint, {TOO_OLD}, 0, 0, 1"
        queries.append(f"SELECT {old} FROM {source} WHERE {rows} AND NOT {kept}")  # noqa: S608
    return " UNION ALL ".join(queries)


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
