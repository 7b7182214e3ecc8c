"""Votes that ClickHouse should have and does not."""

import time
from typing import Final

import structlog

from watcher.clickhouse.vote_history import LastVote, Span
from watcher.model.words import counted
from watcher.recovery.replay import ReplayDiffersError

log = structlog.get_logger(__name__)

EXPIRING_SECONDS: Final = 89 * 24 * 3600
"""Age at which votes may be missing in ClickHouse: a day less than their TTL, for clocks and time zones."""


def gaps(spans: list[Span], expiring: int) -> list[tuple[int, int]]:
    """Return where votes are missing that their age does not explain: epochs, and the last numbers before.

    Votes are numbered without a gap in each epoch, and the oldest expire first. So only the first numbers that are
    there may have none before them, and nothing is known of what is beside votes that are about to expire.

    Args:
        spans: the votes that are there, in order.
        expiring: votes from before this time may be gone or not; seconds since 1970.

    >>> gaps([Span(1, 31, 80, 50, 100, 200), Span(2, 1, 9, 9, 300, 400)], 0)
    []
    >>> gaps([Span(1, 31, 80, 49, 100, 200), Span(2, 3, 9, 7, 300, 400)], 0)
    [(1, 30), (2, 0)]
    >>> gaps([Span(1, 31, 80, 49, 100, 200), Span(2, 3, 9, 7, 300, 400)], 150)
    [(2, 0)]
    """
    found = []
    before: Span | None = None
    for span in spans:
        follows = before.last + 1 if before is not None and before.epoch == span.epoch else 1
        whole = span.votes == span.last - span.first + 1
        joined = before is None or span.first == follows or before.until < expiring
        if not joined or (not whole and span.since >= expiring):
            found.append((span.epoch, (follows if not joined else span.first) - 1))
        before = span
    return found


def check_votes(crucible_id: int, last: LastVote, spans: list[Span], *, strictly: bool) -> None:
    """Check that the view of the ratings has at least the votes that are there, and that only old ones are not there.

    Args:
        crucible_id: whose.
        last: where the votes end, as the view has it.
        spans: the votes that are there, in order.
        strictly: votes that are gone before their time are an error; else that is logged.

    Raises:
        ReplayDiffersError: the view lacks votes; or, ``strictly``, votes are gone before their time.
    """
    there = sum(span.votes for span in spans)
    if there > last.votes:
        raise ReplayDiffersError(
            f"crucible {crucible_id}: crucible_entry_rating has {counted(there, 'numbered vote')}, the view "
            f"entry_rating only {last.votes}: its ratings are not those of all votes; "
            "run `crucible migrate status` and rebuild the view"
        )
    missing = gaps(spans, int(time.time()) - EXPIRING_SECONDS)
    if missing:
        after = ", ".join(f"{epoch}-{seq}" for epoch, seq in missing[:3])
        if strictly:
            raise ReplayDiffersError(
                f"crucible {crucible_id}: crucible_entry_rating lacks votes that are not past their 90 days, after "
                f"{after}; ratings have them, but nobody can cast them again: it was set back, or a part of it dropped"
            )
        log.error("crucible.votes_missing", crucible=crucible_id, after=after)
