"""Whether a table's stream is alive. The heartbeat tells a quiet source from one that stopped."""

from dataclasses import dataclass
from enum import Enum


class StreamState(Enum):
    """What a table's stream is doing; exactly one holds at a time."""

    LIVE = "live"
    """Changes arrive."""
    IDLE = "idle"
    """No changes, but heartbeats: PostgreSQL, Debezium and Kafka work, nobody writes to the table."""
    STALLED = "stalled"
    """Neither changes nor heartbeats: something between PostgreSQL and here stands still."""
    PAUSED = "paused"
    """We do not read, because a sink has to catch up first."""
    FAILED = "failed"
    """The daemon stopped reading and says why in its log."""


@dataclass(frozen=True, slots=True)
class StreamSigns:
    """What was seen of a table's stream.

    Times are Unix seconds at which we received something, not commit times: during a catch-up old commits arrive, and
    the stream is live all the same.
    """

    last_event: float | None
    last_heartbeat: float | None
    paused: bool = False
    failed: bool = False


def stream_state(signs: StreamSigns, *, started: float, now: float, stalled_after: float) -> StreamState:
    """The state of a stream.

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
    if signs.failed:
        return StreamState.FAILED
    if signs.paused:
        return StreamState.PAUSED
    if signs.last_event is not None and now - signs.last_event < stalled_after:
        return StreamState.LIVE
    heard = max(started, signs.last_heartbeat if signs.last_heartbeat is not None else started)
    return StreamState.IDLE if now - heard < stalled_after else StreamState.STALLED
