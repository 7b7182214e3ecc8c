"""Brings the watcher's own schema in PostgreSQL to where this version needs it."""

from functools import cache
from importlib.resources import files
from typing import Final

from watcher.migrations import ledger
from watcher.migrations.ledger import MigrationError, MigrationStatus
from watcher.migrations.postgres.statements import only_made
from watcher.postgres.own import migration as record
from watcher.postgres.session import Session, open_session
from watcher.postgres.statement import quoted
from watcher.sql_files import Applied, Migration, numbered_migrations

RECORD_LOST: Final = (
    "restore {schema}.migration from a backup of after the last `crucible migrate up`; without it nobody knows which "
    "migrations these tables have had, so nothing is applied"
)
"""What to do about tables without a record of their migrations."""


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations, in the order in which they apply."""
    return numbered_migrations(files("watcher.migrations.postgres"))


def ensure(dsn: str, schema: str, timeout: float = 5.0) -> list[Applied]:
    """Connect and apply what is pending. Safe to call at every start, and from several processes at once.

    Args:
        dsn: libpq's connection string.
        schema: the watcher's own schema; created too if the role may.
        timeout: seconds to wait for the connection, for another process that is at it, and for each migration.

    Returns:
        What was applied by this call.

    Raises:
        MigrationError: an applied migration's file was changed.
        PostgresRefusedError: the role may not create the schema, or not in it.
        TemporaryError: PostgreSQL is away.
    """
    with open_session(dsn, schema, timeout) as session:
        return up(session)


def up(session: Session) -> list[Applied]:
    """Apply what is pending, in order and as a whole; see :func:`ensure`."""
    if not pending(session):
        return []
    with session.together():
        session.lock("schema")
        if there := unrecorded(session):
            raise MigrationError(
                f"postgres: {session.schema} has {', '.join(there)}, and no record of the migrations that made them: "
                f"{RECORD_LOST.format(schema=session.schema)}"
            )
        record.make_table(session)
        applied = []
        for migration in pending(session):
            session.run(migration.text)
            applied.append(record.note(session, migration))
        return applied


def unrecorded(session: Session) -> list[str]:
    """Return the tables that are there although no migration is recorded that made them, without the schema.

    Somebody has dropped the record, or deleted of it: what else was done to them nobody knows any more.
    """
    applied = record.applied(session)
    made = [table for one in migrations() if one.version not in applied for table in only_made(one)]
    there = record.tables(session) if made else set()
    return [table for table in made if table in there]


def pending(session: Session) -> list[Migration]:
    """Return what is still to be applied, in order.

    Raises:
        MigrationError: an applied migration's file was changed.
    """
    return ledger.still_pending("postgres", migrations(), record.applied(session))


def status(session: Session) -> list[MigrationStatus]:
    """Return every migration and how it stands, in order."""
    return ledger.standing(migrations(), record.applied(session))


def script(schema: str, which: list[Migration]) -> str:
    """Return the SQL of migrations as this schema gets it, to be read."""
    return "\n".join(f"-- postgres {one}\n{one.text.replace('{schema}', quoted(schema))}" for one in which)
