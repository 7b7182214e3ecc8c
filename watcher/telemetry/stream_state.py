"""Tells whether a table's stream is alive; heartbeats and beats tell a quiet source from one that stopped."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

MARGIN_SECONDS: Final = 5.0
"""A change that came so long after an overdue beat was written may have been written before it."""


HEARTBEAT_SECONDS: Final = 30.0
"""Seconds since the last heartbeat in which Debezium surely lives: three of them. Larger: one that has just died looks
alive, and what it does not bring looks cut off."""


class StreamState(Enum):
    """What a table's stream is doing; exactly one holds at a time."""

    LIVE = "live"
    """Changes arrive."""
    IDLE = "idle"
    """No changes, but beats or heartbeats: PostgreSQL, Debezium and Kafka work, nobody writes to the table."""
    STALLED = "stalled"
    """Neither changes nor beats nor heartbeats: something between PostgreSQL and here stands still."""
    CUT_OFF = "cut_off"
    """Debezium lives, and what is written does not come: the publication, or the table in it, is gone."""
    PAUSED = "paused"
    """We do not read, because a sink has to catch up first, or because a person has paused the table."""


@dataclass(frozen=True, slots=True)
class StreamSigns:
    """What was seen of a table's stream.

    Times are Unix seconds at which we received something, not commit times: during a catch-up old commits arrive, and
    the stream is live all the same.
    """

    last_event: float | None
    last_heartbeat: float | None
    last_beat: float | None = None
    """When a change that the watcher wrote itself came back."""
    beat_overdue_for: float | None = None
    """Seconds since the first such change was written that has not come back, if that is too long."""
    last_of_any: float | None = None
    """When a change of any table came: while some do, a beat has only not come yet."""
    unpublished: bool = False
    """The table is in no publication that its connector could read."""
    paused: bool = False


def stream_state(signs: StreamSigns, *, started: float, now: float, stalled_after: float) -> StreamState:
    """Return the state of a stream.

    Args:
        signs: what was seen.
        started: Unix seconds when we began to read; silence counts from here at the earliest.
        now: Unix seconds.
        stalled_after: seconds of silence that are still normal, several heartbeat intervals.

    >>> signs = StreamSigns(last_event=None, last_heartbeat=100.0)
    >>> stream_state(signs, started=90.0, now=101.0, stalled_after=30.0).value
    'idle'
    >>> stream_state(signs, started=90.0, now=131.0, stalled_after=30.0).value
    'stalled'
    """
    if signs.paused:
        return StreamState.PAUSED
    if signs.unpublished:
        return StreamState.CUT_OFF
    overdue = signs.beat_overdue_for
    if overdue is not None and (signs.last_of_any or 0.0) < now - overdue + MARGIN_SECONDS:
        beating = signs.last_heartbeat is not None and now - signs.last_heartbeat < HEARTBEAT_SECONDS
        if beating:
            return StreamState.CUT_OFF
    if signs.last_event is not None and now - signs.last_event < stalled_after:
        return StreamState.LIVE
    heard = max(started, signs.last_heartbeat or started, signs.last_beat or started)
    return StreamState.IDLE if now - heard < stalled_after else StreamState.STALLED
