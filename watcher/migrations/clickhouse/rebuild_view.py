"""A live view made anew from its table, while writers go on: each row is counted once, and readers miss nothing.

Rows are parted by their stamp, as when a view is made (see ``views.py``), and the view's partitions keep them apart:

1. Have the view put rows from a moment on, some seconds ahead, into a partition of their own: its query says so. Wait
   for inserts that began before it did. If the moment has passed meanwhile, take a later one.
2. Wait until the moment has passed, and for inserts that began before it. From here on rows from before stand still.
3. Fill a shadow table from them, bucket by bucket, each compared with its source.
4. Exchange the two. An insert finds the view's table by its name when it begins, so each row from that moment on is in
   the partition of its own, of the old table or of the new one, and in one of them only.
5. Move that partition from the old table to the new one: at once, and again when inserts that began before the exchange
   have ended. What is moved is there once, whoever does it again. Drop the old table.

A run that dies before the exchange leaves a shadow that the next one drops. One that dies after it is finished by the
next: the new table's comment says which shadow it was. One run at a time: ``migrations/lock.py`` sees to that.
"""

import re
from dataclasses import replace
from typing import Final

from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.contents import Contents, contents, rows_before, rows_from
from watcher.migrations.clickhouse.record import Fill
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import View
from watcher.migrations.clickhouse.views import boundary_of, fill_bucket
from watcher.migrations.ledger import MigrationError
from watcher.model.words import counted
from watcher.runtime.failpoint import reach

LATE_BUCKETS: Final = range(60_000, 65_536)
"""Partitions for rows from a moment on; far from those of fills, and not the one that a view begins with."""
_SHADOW: Final = "_until_"
"""Stands between the name of a view's table and the moment, in the name of its shadow. No two are called the same: on a
cluster a table's path keeps the name that it was made with."""
_NUMBER: Final = re.compile(r"\b6\d{4}\b")
_COMMENT: Final = re.compile(r"rows until (?P<until>\d+), later ones in bucket (?P<bucket>\d+)")


def rebuild_view(server: Server, view: View) -> None:
    """Make a view show what its table's rows come to; what its table has let go of stays as it is.

    Raises:
        MigrationError: there is no such view, or a bucket stays different from its source.
        TemporaryError: the lock is lost.
    """
    finish_rebuild(server, view)
    until, bucket = _route(server, view)
    reach("view.routed")
    shadow = f"{view.target}{_SHADOW}{until}"
    server.run(view.create_target.replace(view.target, shadow, 1))
    server.wait_until(until)
    server.wait_for_inserts_before(until, view.source)
    server.flush(view.source)
    server.catch_up(view.source)
    _fill(contents(server, view), shadow, until, bucket)
    said = f"rows until {until}, later ones in bucket {bucket}"
    server.run(queries()["comment_table"], table=shadow, said=said)
    reach("view.filled")
    server.run(queries()["exchange_tables"], table=view.target, other=shadow)
    reach("view.exchanged")
    _gather(server, view, shadow, bucket)
    server.progress(f"{view.target}: made anew")


def finish_rebuild(server: Server, view: View) -> None:
    """Finish, or take away, what a run that died has left."""
    rows = server.ask(queries()["view_comment"], name=view.target)
    done = _COMMENT.fullmatch(rows[0][0]) if rows else None
    for (name,) in server.ask(queries()["tables_beginning"], beginning=f"{view.target}{_SHADOW}"):
        if done is not None and name == f"{view.target}{_SHADOW}{done['until']}":
            _gather(server, view, name, int(done["bucket"]))
        else:
            server.run(queries()["drop_table"], table=name)


def _route(server: Server, view: View) -> tuple[int, int]:
    """Have the view put rows from a moment on into a partition that has none; return the moment and its number."""
    began = boundary_of(server, view)
    if began is None:
        raise MigrationError(f"there is no view {view.name}: run `crucible migrate up --missing`")
    margin = server.margin
    while True:
        bucket = _unused(server, view)
        server.flush(view.source)
        until = server.clock()[1] + int(margin * 1000)
        later = rows_from(server.deployment, view, until)
        select = server.render(
            view.select,
            rows=rows_from(server.deployment, view, began),
            bucket=f"toUInt16(if({later}, {bucket}, 0))",
        )
        server.run(queries()["change_view"], view=view.name, selected=f"{select}, bucket")
        server.wait_for_inserts_before(server.clock()[1], view.source)
        server.flush(view.source)
        if server.clock()[1] < until:
            return until, bucket
        margin *= 2


def _unused(server: Server, view: View) -> int:
    ((text,),) = server.ask(queries()["text_of_table"], name=view.name)
    used = {int(number) for number in _NUMBER.findall(text)}
    used |= {int(number) for (number,) in server.ask(server.render(queries()["buckets_in_use"], table=view.target))}
    return next(bucket for bucket in LATE_BUCKETS if bucket not in used)


def _fill(held: Contents, shadow: str, until: int, late: int) -> None:
    server, view = held.server, held.view
    buckets = held.slices()
    fill = Fill(until, buckets)
    for bucket in range(1, buckets + 1):
        number, place = f"toUInt16({bucket})", bucket - 1
        before = f"{rows_before(server.deployment, view, until)} AND {held.slice(place, buckets)}"
        select = held.expected(before, number)
        if held.cutoff is not None:
            outlived = f"held.bucket != {late} AND {held.slice(place, buckets, held=True)}"
            select = f"{select} UNION ALL {held.held(outlived, outlived=True, bucket=number)}"
        rows = fill_bucket(server, replace(view, target=shadow), fill, bucket, select)
        server.progress(f"{view.target}: bucket {bucket} of {buckets} made anew, {counted(rows, 'row')}")


def _gather(server: Server, view: View, old: str, bucket: int) -> None:
    """Bring the rows that came to the old table since the moment, those of inserts that are under way too; drop it."""
    move = {"table": old, "other": view.target, "number": str(bucket)}
    server.run(queries()["move_bucket"], **move)
    reach("view.moved")
    server.wait_for_inserts_before(server.clock()[1], view.source)
    server.run(queries()["move_bucket"], **move)
    server.run(queries()["drop_table"], table=old)
