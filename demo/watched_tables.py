"""Watched tables that ``site_schema.sql`` lacks: a new handler is tried on a site that has its table, empty."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from watcher.model.registry import WATCHER_SCHEMA, Table

_TYPES: Final[dict[type[msgspec.inspect.Type], str]] = {
    msgspec.inspect.IntType: "bigint",
    msgspec.inspect.StrType: "text",
    msgspec.inspect.BoolType: "boolean",
    msgspec.inspect.FloatType: "double precision",
}
"""What PostgreSQL calls the type of a row's field; ``jsonb`` for any other."""


def statements(tables: Iterable[Table[Any]]) -> Iterator[str]:
    """Yield a ``CREATE TABLE IF NOT EXISTS`` for each table but the watcher's own, which the watcher makes itself.

    The columns are those of the table's row type, under the names that they have in PostgreSQL.
    """
    for table in tables:
        if table.schema == WATCHER_SCHEMA:
            continue
        row = msgspec.inspect.type_info(table.row)
        assert isinstance(row, msgspec.inspect.StructType), table.row  # noqa: S101 - the registry holds structs alone
        columns = ", ".join(_column(field) for field in row.fields)
        yield f"CREATE SCHEMA IF NOT EXISTS {table.schema}"
        yield f'CREATE TABLE IF NOT EXISTS {table.schema}."{table.name}" ({columns})'


def _column(field: msgspec.inspect.Field) -> str:
    name = f'"{field.encode_name}"'
    if field.encode_name == "id":
        return f"{name} bigserial PRIMARY KEY"
    kinds = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
    given = [kind for kind in kinds if not isinstance(kind, msgspec.inspect.NoneType)]
    needed = "" if len(given) < len(kinds) else " NOT NULL"
    return f"{name} {_TYPES.get(type(given[0]), 'jsonb') if len(given) == 1 else 'jsonb'}{needed}"
