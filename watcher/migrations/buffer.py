"""A Buffer table that has the columns of the table behind it, without a moment in which it is missing.

A Buffer table cannot be altered. One that lacks columns is exchanged, in one step, with a new one; what it holds is
then flushed into the table behind. A run that was killed finds the leftover under the other name and finishes it.
"""

from watcher.migrations.session import Session
from watcher.migrations.steps import BufferTable


def make_buffer(session: Session, buffer: BufferTable) -> None:
    """Make the Buffer table, or replace it by one with all columns."""
    other = f"{buffer.name}_other"
    if _exists(session, other) and _complete(session, buffer):
        _retire(session, buffer, other)
    if not _exists(session, buffer.name):
        session.run(buffer.create, buffer=buffer.name)
    if _complete(session, buffer):
        return
    session.progress(f"{buffer.name}: replacing it by one with all columns of {buffer.table}")
    session.run(f"DROP TABLE IF EXISTS {other} @on_cluster SYNC")  # of a run that ended here, never in use
    session.run(buffer.create, buffer=other)
    session.run(f"EXCHANGE TABLES {buffer.name} AND {other} @on_cluster")
    _retire(session, buffer, other)


def _retire(session: Session, buffer: BufferTable, other: str) -> None:
    """Flush what the old Buffer table holds and drop it; dropping flushes what came in between."""
    session.wait_for_inserts_before(session.clock()[1], buffer.name)
    session.run(f"OPTIMIZE TABLE {other} @on_cluster")
    session.run(f"DROP TABLE IF EXISTS {other} @on_cluster SYNC")


def _exists(session: Session, name: str) -> bool:
    return bool(session.number(f"EXISTS TABLE {name}"))


def _complete(session: Session, buffer: BufferTable) -> bool:
    return _exists(session, buffer.name) and _columns(session, buffer.name) == _columns(session, buffer.table)


def _columns(session: Session, name: str) -> list[tuple[str, str, str]]:
    rows = session.ask(
        "SELECT name, type, default_expression FROM system.columns "
        "WHERE database = currentDatabase() AND table = {table:String} ORDER BY position",
        table=name,
    )
    return [(str(column), str(kind), str(default)) for column, kind, default in rows]
