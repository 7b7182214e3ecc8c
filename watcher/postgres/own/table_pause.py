"""Which tables a person has paused for a consumer group."""

from importlib.resources import files
from typing import Final

from watcher.model.table_pause import TablePause
from watcher.postgres.session import Session
from watcher.sql_files import named_statements

_STATEMENTS: Final = named_statements(files("watcher.postgres.own"), "table_pause.sql")


def paused(session: Session, group: str) -> dict[str, TablePause]:
    """Return the tables that are paused."""
    return {table: TablePause(*about) for table, *about in session.read(_STATEMENTS["paused"], group)}


def pause(session: Session, group: str, table: str, by: str, reason: str = "") -> bool:
    """Have the group's watchers leave a table's changes in their topic; return False if they do already."""
    return bool(session.run(_STATEMENTS["pause"], group, table, by, reason))


def resume(session: Session, group: str, table: str) -> TablePause | None:
    """Have the group's watchers read a table's changes again; return how it was paused, None if it was not."""
    rows = session.run(_STATEMENTS["resume"], group, table)
    return TablePause(*rows[0]) if rows else None
