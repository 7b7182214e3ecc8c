"""A materialized view over a table that has rows and writers, each row counted exactly once.

A view sees only what is inserted after it was made, so the rows of before must be filled in, and no row may be seen by
both or by neither. The line between the two is a moment, the *boundary*, written into the view's own text: it takes
rows whose stamp is at or after it, the fill takes the others. Each is the complement of the other, whatever happens.

1. Make the view with a boundary some seconds ahead. Its comment holds the same number: view and boundary are one fact.
2. Wait for inserts that began before the view was there: they do not feed it. If the boundary has passed meanwhile,
   such an insert may have stamped rows that the view should have had: start again with twice the distance. Nothing is
   lost, for nobody reads the target yet. Otherwise note that the boundary holds.
3. Wait until the boundary has passed, then for inserts that began before it, then flush Buffer tables: from here on no
   row can come in with a stamp before the boundary. What is to be filled stands still.
4. Fill it in buckets of a hash of the view's key. The target is partitioned by bucket and bucket 0 is the view's own,
   so a bucket can be compared with its source, exactly, while writers write, and dropped and filled again if it
   differs: that, and not the token of the insert, makes the fill exact.
5. Make the view that people read.

One run at a time: `migrations/lock.py` sees to that. A run asks before each change whether the lock is still its own,
and waits at its beginning for what a dead one has under way.

A table that never had a row gets a boundary in the past and nothing is waited for; if a row slipped in while the view
was made, the boundary does not hold and the long way is taken.

One hole is known: an insert that was in the table before the boundary and is sent again, under the same token, after
it. The table drops it and the new view takes it. Whoever sends again asks for identities first, so it takes a request
that was stuck in the network for longer than the margin, exactly then.
"""

import re
from typing import Final

from watcher.clickhouse.queries import queries
from watcher.migrations.clickhouse.contents import MOST_BUCKETS, ROWS_PER_BUCKET, rows_before, rows_from, rows_of_slice
from watcher.migrations.clickhouse.record import Fill, MigrationRecord
from watcher.migrations.clickhouse.server import Server
from watcher.migrations.clickhouse.steps import View
from watcher.migrations.ledger import MigrationError
from watcher.model.words import counted

LONG_BEFORE_MS: Final = 3_600_000
"""Milliseconds from the boundary of a view over an empty table to the present; only has to be in the past."""
_TRIES: Final = 3
_COMMENT: Final = re.compile(r"rows from (\d+)")
_ONE_BLOCK: Final = {
    "async_insert": 0,
    "max_insert_threads": 1,
    "min_insert_block_size_rows": 1_000_000_000,
    "min_insert_block_size_bytes": 0,
}


def make_view(server: Server, record: MigrationRecord, view: View) -> None:
    """Make a view, fill it and open it to readers; nothing of what is done is done again.

    Raises:
        MigrationError: a bucket stays different from its source.
    """
    _fill(server, record, view, _settle(server, record, view))
    server.run(view.create_reader)


def _settle(server: Server, record: MigrationRecord, view: View) -> Fill:
    """Return a view's fill, once the view is made and its boundary holds."""
    margin = server.margin
    if (boundary := boundary_of(server, view)) is not None:
        if (fill := record.fill(view.target, boundary)) is not None:
            return fill
        server.progress(f"{view.target}: starting again after an interrupted run")
        _discard(server, view)
    while (fill := _make(server, record, view, margin)) is None:
        margin *= 2
    return fill


def _make(server: Server, record: MigrationRecord, view: View, margin: float) -> Fill | None:
    """Make the view and note its boundary, if it holds; discard it otherwise."""
    server.flush(view.source)
    rows = server.number(server.render(queries()["count_rows"], table=view.source))
    boundary = server.clock()[1] + (int(margin * 1000) if rows else -LONG_BEFORE_MS)
    server.run(view.create_target)
    _empty(server, view)
    create_view(server, view, boundary)
    server.wait_for_inserts_before(server.clock()[1], view.source)
    server.flush(view.source)  # also waits for a flush that began without the view
    now = server.clock()[1]
    if rows:
        holds = now < boundary
    else:
        early = server.render(queries()["count_early_rows"], table=view.source, stamp=view.stamp)
        holds = not server.number(early, now=now)
    if not holds:
        server.progress(f"{view.target}: inserts ran across the boundary; starting again with a later one")
        _discard(server, view)
        return None
    fill = Fill(boundary, min(MOST_BUCKETS, -(-rows // ROWS_PER_BUCKET)))
    record.note(view.target, fill, 0)
    return fill


def create_view(server: Server, view: View, boundary: int) -> None:
    """Have rows that come in from a moment on reach a view's table; the moment is in milliseconds since 1970."""
    select = server.render(
        view.select,
        rows=rows_from(server.deployment, view, boundary),
        bucket="toUInt16(0)",
    )
    create = queries()["create_view"]
    server.run(create, view=view.name, target=view.target, selected=select, boundary=str(boundary))


def boundary_of(server: Server, view: View) -> int | None:
    """Return the moment from which on rows reach a view by themselves, in milliseconds since 1970; None without it.

    Raises:
        MigrationError: somebody else has made a view of that name.
    """
    rows = server.ask(queries()["view_comment"], name=view.name)
    if not rows:
        return None
    found = _COMMENT.fullmatch(rows[0][0])
    if found is None:
        raise MigrationError(
            f"{view.name} was not made by `crucible migrate`: rename it, then run `crucible migrate up`"
        )
    return int(found[1])


def _discard(server: Server, view: View) -> None:
    """Take back a view that nobody reads yet. Its target stays: a view without one would fail every insert."""
    server.run(queries()["drop_table"], table=view.name)


def _empty(server: Server, view: View) -> None:
    """Remove what a discarded view has left in the target."""
    if server.number(server.render(queries()["count_rows"], table=view.target)):
        server.run(queries()["empty_table"], table=view.target)


def _fill(server: Server, record: MigrationRecord, view: View, fill: Fill) -> None:
    done = record.filled(view.target, fill)
    missing = [bucket for bucket in range(1, fill.buckets + 1) if bucket not in done]
    if not missing:
        return
    server.progress(f"{view.target}: waiting for the boundary")
    server.wait_until(fill.boundary)
    server.wait_for_inserts_before(fill.boundary, view.source)
    server.flush(view.source)
    server.catch_up(view.source)
    for bucket in missing:
        rows = _fill_bucket(server, view, fill, bucket)
        record.note(view.target, fill, bucket)
        server.progress(f"{view.target}: bucket {bucket} of {fill.buckets} filled, {counted(rows, 'row')}")


def _fill_bucket(server: Server, view: View, fill: Fill, bucket: int) -> int:
    """Fill one bucket and compare it with its source; tell its rows."""
    rows = rows_before(server.deployment, view, fill.boundary)
    if fill.buckets > 1:
        rows += f" AND {rows_of_slice(server.deployment, view.key, bucket - 1, fill.buckets)}"
    select = server.render(view.select, rows=rows, bucket=f"toUInt16({bucket})")
    return fill_bucket(server, view, fill, bucket, select)


def fill_bucket(server: Server, view: View, fill: Fill, bucket: int, select: str) -> int:
    """Fill a bucket of a view's table with what a query gives, which stands still; return its rows.

    Raises:
        MigrationError: it stays different from its source.
    """
    for attempt in range(1, _TRIES + 1):
        expected = _fingerprint(server, view, f"({select})")
        found = _fingerprint(server, view, f"{view.target} WHERE bucket = {bucket}")
        if found == expected:
            return found[0]
        if found[0]:
            server.run(queries()["drop_bucket"], table=view.target, number=str(bucket))
        token = f"fill:{view.target}:{fill.boundary}:{bucket}:{attempt}"
        insert = server.render(queries()["fill_view"], target=view.target, selected=select)
        server.change(insert, {**_ONE_BLOCK, "insert_deduplication_token": token})
    expected = _fingerprint(server, view, f"({select})")
    found = _fingerprint(server, view, f"{view.target} WHERE bucket = {bucket}")
    if found != expected:
        raise MigrationError(
            f"{view.target}: bucket {bucket} holds {counted(found[0], 'row')} and its source gives {expected[0]}, "
            f"after {_TRIES} fills. Are rows of {view.source} being deleted? Run `crucible migrate up` again when "
            "that has ended"
        )
    return found[0]


def _fingerprint(server: Server, view: View, source: str) -> tuple[int, int]:
    """Return how many rows there are, and a number that depends on each of them and not on their order."""
    count, total = server.ask(server.render(queries()["fingerprint"], columns=view.fingerprint, source=source))[0]
    return int(count), int(total)
