"""Commands for the connector, written to its signal table: it hears of them in PostgreSQL's log, as of any row."""

from importlib.resources import files
from typing import Final

import msgspec

from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres"), "signals.sql")


def execute_snapshot(session: Session, signal: str, table: str) -> None:
    """Have the connector read a table, piece by piece beside the stream.

    Args:
        session: PostgreSQL, as a role that may write there; it needs no right to read.
        signal: names the command, 42 characters at most; one that was given under this name is not given again.
        table: with its schema, like ``public.Crucible``.

    Raises:
        PostgresRefusedError: the right is missing, or the table.
        TemporaryError: PostgreSQL is away.
    """
    _write(session, signal, "execute-snapshot", {"data-collections": [table], "type": "incremental"})


def pause_snapshot(session: Session, signal: str) -> None:
    """Have the connector wait with what it reads, of whatever table; it streams on."""
    _write(session, signal, "pause-snapshot", {"type": "incremental"})


def resume_snapshot(session: Session, signal: str) -> None:
    """Have the connector go on with what it reads; nothing happens where it does not wait."""
    _write(session, signal, "resume-snapshot", {"type": "incremental"})


def stop_snapshot(session: Session, signal: str, table: str) -> None:
    """Have the connector read no more of a table; nothing happens where it does not read it."""
    _write(session, signal, "stop-snapshot", {"data-collections": [table], "type": "incremental"})


def _write(session: Session, signal: str, command: str, data: object) -> None:
    session.run(_STATEMENTS["signal"], signal, command, msgspec.json.encode(data).decode())
