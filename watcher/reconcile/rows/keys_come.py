"""The rows of which a change has come in since a run began, by when it came and not by when it happened."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from watcher.clickhouse.reads import ClickHouseReads
from watcher.model.counts import CountedTable
from watcher.reconcile.rows.choice import Choice
from watcher.reconcile.rows.row_by_row import PIECE_KEYS, ms
from watcher.reconcile.rows.table import MIN_KEY

ENTERING_MS: Final = 120_000
"""Milliseconds that an insert may take from its stamp until it shows. Fewer: what was entering as a run began is not
looked at again; more: more is."""
EVERY: Final = Choice()


def came_from(reads: ClickHouseReads, age: timedelta) -> int:
    """Return from when on changes came in that a run which began so long ago may not have seen.

    Returns:
        Milliseconds since 1970, by ClickHouse's clock.

    Raises:
        TemporaryError: ClickHouse is away.
    """
    ((now_ms,),) = reads("clickhouse_now", {})
    return int(now_ms) - round(age.total_seconds() * 1000) - ENTERING_MS


def keys_come(
    reads: ClickHouseReads, table: CountedTable, came_from_ms: int, choice: Choice = EVERY
) -> Iterator[list[int]]:
    """Yield the keys of a table of which a change has come in since a time, ascending, some thousands at a time.

    Args:
        reads: asks ClickHouse.
        table: which.
        came_from_ms: as :func:`came_from` returns it.
        choice: only these rows.

    Raises:
        TemporaryError: ClickHouse is away.
    """
    if choice.crucible and table.crucible == table.key:  # the crucible's own row, which counts for none
        yield [choice.crucible]
        return
    since = 0 if choice.since is None else ms(choice.since)
    asked = {"source": table.name, "come": came_from_ms, "crucible": choice.crucible or 0, "since": since}
    low = MIN_KEY
    while True:
        keys = [int(key) for (key,) in reads("keys_come", {**asked, "low": low, "most": PIECE_KEYS})]
        if keys:
            yield keys
        if len(keys) < PIECE_KEYS:
            return
        low = keys[-1] + 1
