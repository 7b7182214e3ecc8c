"""What the rows of a table count for, read from PostgreSQL: as sums of ranges, and row by row."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, LiteralString, cast

from psycopg import sql

from watcher.model.checksum import CONSTANTS, metric_term
from watcher.model.counts import Count, CountedTable, TimeColumn
from watcher.postgres.own import key_mark
from watcher.postgres.own.key_mark import KeyMark
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

Counted = tuple[int, int, int, int, int]
"""Key, number of the metric, entity, user, value."""
TOO_OLD: Final = 0
"""Number in the place of a metric's: the row is from before what is compared."""
QUESTION_SECONDS: Final = 30.0
"""Seconds that PostgreSQL has for a question, and that a question waits for another one to end. Fewer: a busy server
gives up where it only needs time; more: it is burdened longer by one question."""
READER: Final = "rows compared"
"""Lock of who asks: one question at a time, whoever compares."""

_STATEMENTS: Final = named_statements(
    files("watcher.postgres"),
    "counted_rows.sql",
    constants={**CONSTANTS, "TOO_OLD": TOO_OLD},
    run_time={
        *("chosen", "column", "counted", "counts", "counts_number", "crucible", "entity", "kept", "key", "metric"),
        *("metric_term", "moment", "number", "other", "other_key", "rows", "source", "time", "value", "who", "words"),
    },
)
EVERY: Final = "true"
"""The condition that holds for all rows."""


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

    def highest(self) -> int:
        """Return the highest key; 0 where there is none above. Raises as :meth:`span` does."""
        return max(0, (self.span() or (0, 0))[1])

    def marked(self, since: datetime) -> KeyMark | None:
        """Return how high keys went at the first moment from a time on of which that is known; None: of none."""
        return key_mark.first_since(self._session, self._table.name, since)

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
        words = {
            "counts_number": " + ".join(_number(self._table, count) for count in self._table.counts),
            "kept": _kept(self._table, kept_since),
        }
        sums = self._read("checksums", {"low": low, "high": high, "size": size}, words)
        return {low // size + number: (int(total), too_old) for number, total, too_old in sums}

    def first_from(self, key: int) -> int | None:
        """Return the first key from one on; None where no row follows."""
        ((found,),) = self._read("key_from", {"low": key})
        return None if found is None else int(found)

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
        return self._counted("of_range", {"low": low, "high": high}, kept_since)

    def of_keys(self, keys: Sequence[int], kept_since: datetime | None = None) -> list[Counted]:
        """Return what the rows with these keys count for now, :data:`TOO_OLD` if they are."""
        return self._counted("of_keys", {"keys": list(keys)}, kept_since)

    def keys_chosen(self, low: int, high: int, crucible: int | None, since: datetime | None) -> Iterator[int]:
        """Yield the keys, from ``low`` to ``high``, of a crucible's rows that were made or changed since a time.

        None leaves either of both open. A table that does not say when its rows were made or changed has none since.
        """
        chosen = {"chosen": _chosen(self._table, crucible, since)}
        for (key,) in self._read("keys_chosen", {"low": low, "high": high}, chosen):
            yield key

    def _counted(self, rows: str, values: Mapping[str, object], kept_since: datetime | None) -> list[Counted]:
        counted = {"counted": _counted(self._table, rows, kept_since)}
        return cast("list[Counted]", self._read("counted_rows", values, counted))

    def _read(
        self, name: str, values: Mapping[str, object], words: Mapping[str, str] = MappingProxyType({})
    ) -> list[tuple[Any, ...]]:
        text = _filled(name, self._table, words)
        session = self._session
        with session.patient(QUESTION_SECONDS), session.together():
            session.refuse_writes()
            session.lock(READER)
            return session.read(text, values)


def _filled(name: str, table: CountedTable, words: Mapping[str, str]) -> LiteralString:
    """Return SQL about a table; its names are those of our own registry, and are quoted all the same."""
    text: str = _STATEMENTS[name]
    source = sql.Identifier(table.schema, table.name).as_string()
    for placeholder, word in {**words, "source": source, "key": _quoted(table.key)}.items():
        text = text.replace(f"{{{placeholder}}}", word)
    return text


def _chosen(table: CountedTable, crucible: int | None, since: datetime | None) -> str:
    conditions = []
    if crucible is not None:
        of = {"crucible": _quoted(table.crucible), "number": str(int(crucible))} if table.crucible else None
        conditions.append("false" if of is None else _filled("of_crucible", table, of))
    if since is not None:
        conditions.append(f"({_since(table, table.made, since)} OR {_since(table, table.changed, since)})")
    return " AND ".join(conditions) or EVERY


def _kept(table: CountedTable, kept_since: datetime | None) -> str:
    return EVERY if kept_since is None else _since(table, table.made, kept_since)


def _since(table: CountedTable, moment: TimeColumn | None, since: datetime) -> str:
    """Return the condition that a moment of a row is a time or later; a table without one has no such rows."""
    if moment is None:
        return "false"
    # Of no type of its own, so that it has the column's: a timestamp without a zone is in UTC.
    time = sql.Literal(since.astimezone(UTC).isoformat(" ")).as_string()
    words = {"moment": _quoted(moment.column), "time": time}
    if moment.table is None:
        return _filled("since", table, words)
    other = {"other": sql.Identifier(*moment.table).as_string(), "other_key": _quoted(moment.key)}
    return _filled("since_in_other", table, {**words, **other})


def _counted(table: CountedTable, rows: str, kept_since: datetime | None) -> str:
    """Return a query of key, metric, entity, user and value of everything that some rows count for."""
    of = {"rows": _filled(rows, table, {}), "kept": _kept(table, kept_since)}
    queries = [_filled("counted_of_metric", table, {**_words(table, count), **of}) for count in table.counts]
    if kept_since is not None:
        queries.append(_filled("too_old", table, of))
    return " UNION ALL ".join(queries)


def _number(table: CountedTable, count: Count) -> str:
    """Return what a row's entity, user, metric and value add to its part of a sum."""
    return _filled("one_number" if count.value == 1 else "value_number", table, _words(table, count))


def _words(table: CountedTable, count: Count) -> dict[str, str]:
    """Return what SQL about one of a table's metrics is filled with."""
    number = table.number(count.entity_type, count.metric_type)
    counts = EVERY
    if count.where is not None:
        column, words = count.where
        counts = _filled("of_text", table, {"column": _quoted(column), "words": sql.Literal(words).as_string()})
    return {
        "counts": counts,
        "entity": _quoted(count.entity),
        "metric": str(number),
        "metric_term": str(metric_term(number)),
        "value": str(count.value) if isinstance(count.value, int) else _quoted(count.value),
        "who": _quoted(count.user),
    }


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
