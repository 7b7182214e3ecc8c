"""Tables of the watcher's own that its migrations made, and that somebody has dropped since.

A migration is recorded once and never applied again, so such a table stays away. It is made anew, empty, by the
statements about it, of all migrations that were applied.
"""

from watcher.migrations.ledger import MigrationState
from watcher.migrations.postgres import migrate
from watcher.migrations.postgres.statements import made_tables, statements_about
from watcher.postgres.own import migration as record
from watcher.postgres.session import Session
from watcher.sql_files import Migration


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
