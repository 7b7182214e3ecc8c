"""Brings the watcher's own schema in PostgreSQL to where this version needs it."""

from functools import cache
from importlib.resources import files

from watcher.migrations import ledger
from watcher.migrations.ledger import MigrationStatus
from watcher.postgres.own import migration as record
from watcher.postgres.session import Session, open_session
from watcher.postgres.statement import quoted
from watcher.sql_files import Applied, Migration, numbered_migrations


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
        record.make_table(session)
        applied = []
        for migration in pending(session):
            session.run(migration.text)
            applied.append(record.note(session, migration))
        return applied


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
