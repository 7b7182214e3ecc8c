"""What is told of an outcome, written in its transaction: notices as rows of the outbox, and events for others."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from watcher.model import crucible_events
from watcher.model.crucible_events import Payouts
from watcher.model.notices import notice_pages
from watcher.model.settlement import CrucibleOutcome
from watcher.notify.outbox_rows import notice_rows
from watcher.postgres.own import crucible_event, outbox
from watcher.postgres.own.outbox import NewRow
from watcher.postgres.session import Session

ROWS_AT_ONCE: Final = 50
"""Rows of a thousand notices each in one statement. More: statements of many megabytes; fewer: more of them."""


def announce(session: Session, outcome: CrucibleOutcome, payouts: Payouts) -> None:
    """Write all that is told of an outcome, within the caller's transaction.

    Args:
        session: a connection.
        outcome: how a crucible ended.
        payouts: who pays its prizes.
    """
    for rows in _some(notice_rows(notice_pages(outcome))):
        outbox.put(session, rows)
    crucible_event.write(session, crucible_events.of_outcome(outcome, payouts))


def _some(rows: Iterable[NewRow]) -> Iterator[list[NewRow]]:
    left = iter(rows)
    while some := list(islice(left, ROWS_AT_ONCE)):
        yield some
