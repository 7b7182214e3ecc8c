"""The text of a statement as PostgreSQL gets it: with its limits, its names quoted, its values prepared."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql


def limited(query: str, timeout: float, *, read_only: bool) -> str:
    """Return a statement with its limits before it, to be sent as one request.

    PostgreSQL runs the statements of a request in one transaction, or in the one that is open.

    Args:
        query: one statement; or several without parameters, of which the last one's rows are meant.
        timeout: seconds after which the server gives up.
        read_only: have the server refuse to write, until the end of the transaction.

    >>> limited("SELECT 1", 0.25, read_only=True)
    'SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = 250; SELECT 1'
    """
    limit = f"SET LOCAL statement_timeout = {max(1, round(timeout * 1000))}; {query}"
    return f"SET TRANSACTION READ ONLY; {limit}" if read_only else limit


def quoted(name: str) -> str:
    """Return a name as it stands in SQL."""
    return sql.Identifier(name).as_string(None)


def values(parameters: tuple[object, ...]) -> Sequence[Any] | Mapping[str, Any] | None:
    """Return a statement's parameters as the driver takes them, None for none: in their order, or a mapping by name."""
    if len(parameters) == 1 and isinstance(parameters[0], Mapping):
        return {name: _literal(value) for name, value in parameters[0].items()}
    return [_literal(value) for value in parameters] or None


def _literal(value: object) -> object:
    """Return a value as the driver is given it, which is the value itself but for two kinds.

    A list of whole numbers becomes the text of PostgreSQL's array, which the driver would write number by number. A NUL
    in a text, which PostgreSQL cannot store, becomes the replacement character: what a service answers may have one,
    and is no reason to end the process that writes it down.

    >>> _literal([1, 2]), _literal(["a"]), _literal(7), _literal(f"no{chr(0)}thing")
    ('{1,2}', ['a'], 7, 'no�thing')
    """
    if type(value) is str and "\0" in value:
        return value.replace("\0", "\ufffd")
    if type(value) is list and set(map(type, value)) == {int}:
        return f"{{{','.join(map(str, value))}}}"
    return value
