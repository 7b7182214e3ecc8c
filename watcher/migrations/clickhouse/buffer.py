"""A Buffer table that has the columns of the table behind it, without a moment in which it is missing.

A Buffer table cannot be altered. One that lacks columns is exchanged, in one step, with a new one; what it holds is
then flushed into the table behind. A run that was killed finds the leftover under the other name and finishes it.
"""

from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import BufferTable


def make_buffer(server: Server, buffer: BufferTable) -> None:
    """Make the Buffer table, or replace it by one with all columns."""
    other = f"{buffer.name}_other"
    if _exists(server, other) and _complete(server, buffer):
        _retire(server, buffer, other)
    if not _exists(server, buffer.name):
        server.run(buffer.create, buffer=buffer.name)
    if _complete(server, buffer):
        return
    server.progress(f"{buffer.name}: replacing it by one with all columns of {buffer.table}")
    server.run(f"DROP TABLE IF EXISTS {other} @on_cluster SYNC")  # of a run that ended here, never in use
    server.run(buffer.create, buffer=other)
    server.run(f"EXCHANGE TABLES {buffer.name} AND {other} @on_cluster")
    _retire(server, buffer, other)


def _retire(server: Server, buffer: BufferTable, other: str) -> None:
    """Flush what the old Buffer table holds and drop it; dropping flushes what came in between."""
    server.wait_for_inserts_before(server.clock()[1], buffer.name)
    server.run(f"OPTIMIZE TABLE {other} @on_cluster")
    server.run(f"DROP TABLE IF EXISTS {other} @on_cluster SYNC")


def _exists(server: Server, name: str) -> bool:
    return bool(server.number(f"EXISTS TABLE {name}"))


def _complete(server: Server, buffer: BufferTable) -> bool:
    return _exists(server, buffer.name) and _columns(server, buffer.name) == _columns(server, buffer.table)


def _columns(server: Server, name: str) -> list[tuple[str, str, str]]:
    rows = server.ask(
        "SELECT name, type, default_expression FROM system.columns "
        "WHERE database = currentDatabase() AND table = {table:String} ORDER BY position",
        table=name,
    )
    return [(str(column), str(kind), str(default)) for column, kind, default in rows]
