"""Which table of the watcher's own each statement of a migration is about."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from watcher.sql_files import Migration

_STATEMENT_END: Final = re.compile(r";[ \t]*(?:\n|\Z)")
_COMMENT: Final = re.compile(r"--[^\n]*")
_ABOUT: Final = re.compile(
    r"(?P<makes>CREATE TABLE )?(?:IF NOT EXISTS |ALTER TABLE |INSERT INTO |UPDATE |CREATE (?:UNIQUE )?INDEX \w+ ON )?"
    r"\{schema\}\.(?P<table>\w+)"
)


def made_tables(migrations: Sequence[Migration]) -> list[str]:
    """Return the tables that some migrations make, in their order, without the schema."""
    return [table for one in migrations for table, makes, _ in _statements(one) if makes]


def statements_about(table: str, migrations: Sequence[Migration]) -> list[str]:
    """Return the statements of some migrations that make a table what it is, in their order.

    >>> statements_about("next", [Migration(1, "next", "CREATE TABLE {schema}.next (id integer); -- why")])
    ['CREATE TABLE {schema}.next (id integer)']
    """
    return [text for one in migrations for name, _, text in _statements(one) if name == table]


def only_made(migration: Migration) -> list[str]:
    """Return the tables that a migration makes and that must not be there before.

    >>> only_made(Migration(1, "next", "CREATE TABLE {schema}.next (id integer);"))
    ['next']
    >>> only_made(Migration(1, "next", "CREATE TABLE IF NOT EXISTS {schema}.next (id integer);"))
    []
    """
    return [table for table, makes, text in _statements(migration) if makes and "TABLE IF NOT EXISTS" not in text]


def _statements(migration: Migration) -> Iterator[tuple[str, bool, str]]:
    """Yield which table each statement is about, whether it makes that table, and its text.

    Raises:
        ValueError: a statement that is about no table, so nobody could say when to run it again.
    """
    for text in _STATEMENT_END.split(_COMMENT.sub("", migration.text)):
        if not text.strip():
            continue
        about = _ABOUT.match(text.strip())
        if about is None:
            raise ValueError(f"{migration}: expected a statement about one table of {{schema}}, found {text.strip()!r}")
        yield about["table"], about["makes"] is not None, text.strip()
