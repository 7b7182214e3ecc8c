"""The watched tables' columns: those that handlers need are there and published, with types that they can read."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from watcher.admin.doctor.findings import Finding, judged
from watcher.admin.doctor.postgres.names import SourceNames
from watcher.admin.doctor.postgres.statements import STATEMENTS
from watcher.model.bounds import Microseconds, Milliseconds
from watcher.model.moments import Moment
from watcher.postgres.session import Session

_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (Moment, r"timestamp\([0-3]\) without time zone"),
    (Milliseconds, r"timestamp\([0-3]\) without time zone"),
    (Microseconds, r"timestamp(\([4-6]\))? without time zone"),
    (bool, "boolean"),
    (int, "smallint|integer|bigint"),
)
"""Types of a row's field, and the PostgreSQL types that Debezium sends as it; what is not named may be any. Debezium's
``time.precision.mode=adaptive`` sends thousandths or millionths of a second, by how much the column keeps:
https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-temporal-types"""


def columns(session: Session, names: SourceNames, rows: Mapping[str, type[msgspec.Struct]]) -> Iterator[Finding]:
    """Find whether each table has the columns that its handlers need.

    Args:
        session: a connection.
        names: of the watched tables, and of the publication.
        rows: by the table's name with its schema, what handlers read of a row.
    """
    there: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, kind in session.read(STATEMENTS["columns"], list(rows)):
        there[str(table)][str(column)] = str(kind)
    published = {
        str(table): set(columns)
        for table, columns, _ in session.read(STATEMENTS["published_tables"], names.publication)
    }
    for table, row in rows.items():
        if table not in there:
            continue  # a finding of another check
        wrong = list(_wrong(row, there[table], published.get(table)))
        yield judged(
            f"postgres.columns.{table.partition('.')[2]}",
            not wrong,
            "; ".join(wrong) or "as handlers need them",
            "each change of the table becomes a dead letter: give the column back, publish it, or use the release of "
            "the watcher that goes with the site's",
        )


def _wrong(row: type[msgspec.Struct], there: Mapping[str, str], published: set[str] | None) -> Iterator[str]:
    hints = get_type_hints(row, include_extras=True)
    for field in msgspec.structs.fields(row):
        column, kind = field.encode_name, there.get(field.encode_name)
        if kind is None:
            yield f"lacks {column}"
        elif published is not None and column not in published:
            yield f"{column} is not published"
        elif (expected := _expected(hints[field.name])) and not re.fullmatch(expected, kind):
            yield f"{column} is {kind}, expected {_said(expected)}"


def _expected(hint: Any) -> str | None:
    """Return an expression for the PostgreSQL types that a field of a row can be read from; None: any."""
    if get_origin(hint) in (UnionType, Union):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    plain = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    return next((types for kind, types in _TYPES if kind in (hint, plain)), None)


def _said(expected: str) -> str:
    """Return a choice of types in words.

    >>> _said("smallint|integer|bigint")
    'smallint, integer or bigint'
    """
    if expected.startswith("timestamp"):
        return "timestamp(3) without time zone" if "[0-3]" in expected else "timestamp(6) without time zone"
    *others, last = expected.split("|")
    return f"{', '.join(others)} or {last}" if others else last
