"""Tables of the watcher's own that its migrations made, and that somebody has dropped since.

A migration is recorded once and never applied again, so such a table stays away. It is made anew, empty, by the
statements about it, of all migrations that were applied.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from watcher.migrations.ledger import MigrationState
from watcher.migrations.postgres import migrate
from watcher.postgres.own import migration as record
from watcher.postgres.session import Session
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


def dropped(session: Session) -> list[str]:
    """Return the tables that applied migrations made and that are not there, without the schema."""
    applied = _applied(session)
    there = record.tables(session) if applied else set()
    return [table for table in made_tables(applied) if table not in there]


def make_anew(session: Session) -> list[str]:
    """Make the tables anew that are not there any more, all or none; return their names. They are empty.

    Raises:
        PostgresRefusedError: the role may not.
        TemporaryError: PostgreSQL is away.
    """
    if not dropped(session):
        return []
    with session.together():
        session.lock("schema")
        tables, applied = dropped(session), _applied(session)
        for table in tables:
            for text in statements_about(table, applied):
                session.run(text)
        return tables


def _applied(session: Session) -> list[Migration]:
    applied = {one.version for one in migrate.status(session) if one.state is MigrationState.APPLIED}
    return [one for one in migrate.migrations() if one.version in applied]


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
