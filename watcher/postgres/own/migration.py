"""Which migrations the watcher's own schema has had."""

from importlib.resources import files
from typing import Final

from watcher.postgres.session import Session
from watcher.sql_files import Applied, Migration, named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "migration.sql")


def make_table(session: Session) -> None:
    """Make the schema and the table of the migrations, if absent.

    Raises:
        PostgresRefusedError: the role may not create the schema, or not in it.
    """
    if not session.read(_STATEMENTS["schema_exists"], session.schema):
        session.run(_STATEMENTS["make_schema"])
    session.run(_STATEMENTS["make_table"])


def applied(session: Session) -> dict[int, Applied]:
    """Return what was applied, by version; nothing where nothing ever was."""
    if not session.read(_STATEMENTS["table_exists"], session.schema):
        return {}
    return {row[0]: Applied(*row) for row in session.read(_STATEMENTS["applied"])}


def tables(session: Session) -> set[str]:
    """Return the names of all tables of the watcher's own schema."""
    return {name for (name,) in session.read(_STATEMENTS["tables"], session.schema)}


def note(session: Session, migration: Migration) -> Applied:
    """Note that a migration was applied."""
    (row,) = session.run(_STATEMENTS["note"], migration.version, migration.name, migration.checksum)
    return Applied(*row)
