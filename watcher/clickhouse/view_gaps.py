"""Compares views with their table, and sends a plan again where a view lacks exactly its rows."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from watcher.model.errors import SinkDisagreesError
from watcher.model.view_gaps import Gap, K, gap

SETTLE_TRIES: Final = 7
SETTLE_WAIT: Final = 0.05
"""Readings of a view and its table, and seconds between the first two, doubling: a neighbour's insert shows in the
table a moment before it shows in the views. Fewer or shorter: a busy server looks like a broken view, and the daemon
stops."""

Totals = Mapping[K, int]


def settled_gap(
    table: Callable[[], Totals[K]], view: Callable[[], Totals[K]], plan: Callable[[Totals[K], Totals[K]], Totals[K]]
) -> Gap:
    """How a view relates to its table for the keys of a plan, once nobody's insert is between the two.

    Args:
        table: reads the table's totals.
        view: reads the view's.
        plan: from the totals of both to what the plan adds to them.
    """
    found = Gap.OTHER
    for again in range(SETTLE_TRIES):
        if again:
            time.sleep(SETTLE_WAIT * 2 ** (again - 1))
        before, shown, after = table(), view(), table()
        found = gap(after, shown, plan(after, shown))
        if found is Gap.NONE or (found is Gap.PLAN and before == after):
            break
    return found


def complete(gaps: Callable[[], Mapping[str, Gap]], send: Callable[[], None], table: str, token: str) -> None:
    """Send a plan again where a view lacks exactly its rows: the table drops them, that view takes them.

    Args:
        gaps: compares every view.
        send: sends the plan's rows under their token.
        table: the name of the views' table.
        token: the plan's.

    Raises:
        SinkDisagreesError: a view shows something else than the table, and that did not help.
    """
    found = gaps()
    if Gap.PLAN in found.values():
        send()
        found = gaps()
    wrong = [view for view, one in found.items() if one is not Gap.NONE]
    if wrong:
        raise SinkDisagreesError(
            f"{', '.join(wrong)} and {table} disagree for keys of plan {token}; "
            "run `crucible migrate status` and rebuild the view"
        )
