"""A column that tells when each row came in, also on a table that has rows and writers.

Old rows must show a fixed time and new ones the server's clock, with no row in between that shows a different time at
every reading. So the column comes with the default of 1970, is written into the parts that are there, and only then
gets ``now64(3)``:

1. ``ADD COLUMN ... DEFAULT`` 1970: every row shows it; new rows store it.
2. Wait for inserts that began before 1: their parts lack the column.
3. ``MATERIALIZE COLUMN``: parts without it get it. Look that none is left.
4. ``MODIFY COLUMN ... DEFAULT now64(3)``: new rows store the clock.

Which step is next is read from the column's default, so a run that was killed goes on where it was.
"""

from typing import Final

from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import Stamp
from watcher.migrations.ledger import MigrationError
from watcher.model.words import counted

_OLD: Final = "toDateTime64(0, 3)"
_NEW: Final = "now64(3)"
_MAX_LOOKS: Final = 3


def add_stamp(server: Server, stamp: Stamp) -> None:
    """Give a table its stamp; nothing if it has it.

    Raises:
        MigrationError: the table has a column of that name with another meaning, or parts keep coming without it.
    """
    default = _default(server, stamp)
    if default == _NEW:
        return
    if default is None:
        server.run(queries()["add_stamp"], table=stamp.table, column=stamp.column)
    elif default != _OLD:
        raise MigrationError(
            f"{stamp.table}.{stamp.column} has the default {default!r}, expected {_NEW!r}: "
            "rename that column, then run `crucible migrate up` again"
        )
    for _ in range(_MAX_LOOKS):
        server.wait_for_inserts_before(server.clock()[1], stamp.table)
        server.catch_up(stamp.table)
        if not _parts_without(server, stamp):
            break
        server.progress(f"{stamp.table}: writing {stamp.column} into the rows that are there")
        server.run(queries()["write_stamp"], table=stamp.table, column=stamp.column)
    else:
        if left := _parts_without(server, stamp):
            raise MigrationError(
                f"{stamp.column} is still lacking in {counted(left, 'part')} of {stamp.table}: stop writers of that "
                "table that were started before this migration, then run `crucible migrate up` again"
            )
    server.run(queries()["start_stamp"], table=stamp.table, column=stamp.column)


def _default(server: Server, stamp: Stamp) -> str | None:
    rows = server.ask(queries()["stamp_default"], table=stamp.table, column=stamp.column)
    return str(rows[0][0]) if rows else None


def _parts_without(server: Server, stamp: Stamp) -> int:
    return server.number(queries()["parts_without_stamp"], table=stamp.table, column=stamp.column)
