"""Creates the watcher's tables, whoever comes first."""

from pathlib import Path
from typing import LiteralString

from watcher.postgres.session import Session, open_session

# Ours, not a caller's: read from beside this module.
_STATEMENTS: LiteralString = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


def ensure(dsn: str, schema: str, timeout: float = 5.0) -> None:
    """Create what is missing. Safe to call at every start, and from several processes at once.

    Args:
        dsn: libpq's connection string.
        schema: the watcher's own schema; created too if the role may.
        timeout: seconds to wait for the connection and for another process that is creating.

    Raises:
        PostgresRefusedError: the role may not create the schema, or not in it.
        TemporaryError: PostgreSQL is away.
    """
    with open_session(dsn, schema, timeout) as session, session.together():
        session.lock("schema")
        _ensure_schema(session)
        session.run(_STATEMENTS)


def _ensure_schema(session: Session) -> None:
    """CREATE SCHEMA IF NOT EXISTS wants a right on the database even if the schema is there, so look first."""
    if not session.run("SELECT 1 FROM pg_namespace WHERE nspname = %s", session.schema):
        session.run("CREATE SCHEMA {schema}")
