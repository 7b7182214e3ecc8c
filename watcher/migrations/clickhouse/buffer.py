"""A Buffer table that has the columns of the table behind it, without a moment in which it is missing.

A Buffer table cannot be altered. One that lacks columns is exchanged, in one step, with a new one; what it holds is
then flushed into the table behind. A run that was killed finds the leftover under the other name and finishes it.
"""

from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import BufferTable


def make_buffer(server: Server, buffer: BufferTable) -> None:
    """Make the Buffer table, or replace it by one with all columns."""
    other = f"{buffer.name}_other"
    if server.exists(other) and _complete(server, buffer):
        _retire(server, buffer, other)
    if not server.exists(buffer.name):
        server.run(buffer.create, buffer=buffer.name)
    if _complete(server, buffer):
        return
    server.progress(f"{buffer.name}: replacing it by one with all columns of {buffer.table}")
    server.run(queries()["drop_table"], table=other)  # of a run that ended here, never in use
    server.run(buffer.create, buffer=other)
    server.run(queries()["exchange_tables"], table=buffer.name, other=other)
    _retire(server, buffer, other)


def _retire(server: Server, buffer: BufferTable, other: str) -> None:
    """Flush what the old Buffer table holds and drop it; dropping flushes what came in between."""
    server.wait_for_inserts_before(server.clock()[1], buffer.name)
    server.run(queries()["flush_buffer"], table=other)
    server.run(queries()["drop_table"], table=other)


def _complete(server: Server, buffer: BufferTable) -> bool:
    return server.exists(buffer.name) and _columns(server, buffer.name) == _columns(server, buffer.table)


def _columns(server: Server, name: str) -> list[tuple[str, str, str]]:
    rows = server.ask(queries()["columns_of_table"], table=name)
    return [(str(column), str(kind), str(default)) for column, kind, default in rows]
