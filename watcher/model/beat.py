"""Beats: changes of the watcher's own that travel the way of all others, and tell by their numbers if one is missing.

A watcher writes a row of a published table every few seconds. What passes through publication, slot, connector and
topic brings the beats too, in their order; so a beat that never comes while later ones do marks a stretch of the log of
which nothing came.
"""

from typing import Final

import msgspec

from watcher.model.extent import Extent, lsn_text, time_text
from watcher.model.need_reason import NeedReason

OVERDUE_SECONDS: Final = 60.0
"""Seconds until a beat that was written and has not come means that the stream is cut off: six of them. Smaller: a
connector that is started anew looks like it; larger: more changes are lost before somebody is told."""
BEAT_TABLE: Final = "beat"
"""The table whose row they are, in the watcher's own schema."""


class Beat(msgspec.Struct, frozen=True):
    """A beat as it came."""

    number: int
    """Of the watcher that wrote it, one more than the beat before."""
    written: int
    """By PostgreSQL's clock, in milliseconds since 1970; later ones are always greater."""
    lsn: int
    read: bool = False
    """A snapshot read it: the connector began anew here."""

    def __str__(self) -> str:
        return f"beat {self.number} at LSN {lsn_text(self.lsn)} {time_text(self.written)}"


class Hole(msgspec.Struct, frozen=True):
    """A stretch of the log of which nothing came."""

    reason: NeedReason
    found: Extent
    """The beats around it, and how many are missing between them; 0: less than one."""


def hole_between(last: Beat | None, beat: Beat) -> Hole | None:
    """Return the hole between the last beat that came and a later one; None where there is none.

    Args:
        last: None before the first.
        beat: written after it.

    >>> first = Beat(7, 1_760_000_000_000, 4096)
    >>> hole_between(first, Beat(8, 1_760_000_010_000, 8192))
    >>> hole = hole_between(first, Beat(10, 1_760_000_030_000, 8192))
    >>> hole.reason, hole.found.times, hole.found.first
    (<NeedReason.CUT_OFF: 'cut_off'>, 2, 'beat 7 at LSN 0/1000 2025-10-09T08:53:20Z')
    """
    if last is None:
        return None
    missing = beat.number - last.number - 1
    if beat.read:
        reason = NeedReason.BEGUN_ANEW
    elif missing > 0:
        reason = NeedReason.CUT_OFF
    elif missing < 0:
        reason = NeedReason.SET_BACK
    else:
        return None
    # A beat that was read stands for the snapshot, which came later.
    reaches = beat.written if reason is NeedReason.CUT_OFF else 0
    return Hole(reason, Extent(str(last), str(beat), max(0, missing), reaches))
